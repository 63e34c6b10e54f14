// SPDX-License-Identifier: MIT
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/task/detail/executor.hpp>

#include "executor/task/uncaught.hpp"

namespace eddy::detail {

void report_failure_here(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    if (spawned_task_owner* const here = this_thread.runs_here) return here->report(std::move(failure), where, name);
    print_failure(failure, where, name);
}

void report_failure(spawned_task_owner& owner, unread_failure failure, const std::source_location& where,
                    std::string_view name) noexcept {
    // `owner` may be gone, because a join handle may outlive it. Only a thread that runs its tasks knows that it
    // exists.
    if (this_thread.runs_here == &owner || this_thread.polled_local_set == &owner)
        return owner.report(std::move(failure), where, name);
    print_failure(failure, where, name);
}

}  // namespace eddy::detail
