// SPDX-License-Identifier: MIT
#include <utility>

#include <eddy/detail/core_loop.hpp>
#include <eddy/detail/runtime_context.hpp>

#include "executor/pool/pool.hpp"
#include "executor/task/uncaught.hpp"

namespace eddy::detail {

void report_failure_here(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    if (const worker* const here = this_thread.worker) {
        here->owner().report(std::move(failure), where, name);
    } else if (core_shared* const loop = this_thread.running_loop) {
        report_failure(*loop, std::move(failure), where, name);
    } else {
        print_failure(failure, where, name);
    }
}

void report_failure(const task_owner& owner, unread_failure failure, const std::source_location& where,
                    std::string_view name) noexcept {
    // `owner` may be gone, because a join handle may outlive the pool. Only a worker of that pool knows that it exists.
    if (this_thread.worker_owner == &owner) {
        this_thread.worker->owner().report(std::move(failure), where, name);
    } else if (this_thread.polled_local_set == &owner) {
        report_failure_here(std::move(failure), where, name);
    } else {
        print_failure(failure, where, name);
    }
}

}  // namespace eddy::detail
