// SPDX-License-Identifier: MIT
#include "runtime/uncaught.hpp"

#include <cstdio>
#include <utility>

#include <eddy/detail/core_shared.hpp>

#include "runtime/local_here.hpp"
#include "runtime/pool.hpp"
#include "runtime/worker_here.hpp"

namespace eddy::detail {

void print_uncaught(const std::exception_ptr& thrown, const std::source_location& where) noexcept {
    const char* text = "an exception that is no std::exception";
    try {
        std::rethrow_exception(thrown);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "eddy: a task spawned at %s:%u threw: %s\n", where.file_name(), where.line(), e.what());
        return;
    } catch (...) {  // NOLINT(bugprone-empty-catch): reported below
    }
    std::fprintf(stderr, "eddy: a task spawned at %s:%u threw: %s\n", where.file_name(), where.line(), text);
}

void report_uncaught_here(std::exception_ptr thrown, const std::source_location& where) noexcept {
    if (worker_here != nullptr) {
        worker_here->owner().report(std::move(thrown), where);
    } else if (core_shared* const loop = current_loop()) {
        report_uncaught(*loop, std::move(thrown), where);
    } else {
        print_uncaught(thrown, where);
    }
}

void report_uncaught(const task_owner& owner, std::exception_ptr thrown, const std::source_location& where) noexcept {
    // The handle of a task that has ended may outlive the pool: only a worker knows that it is there.
    if (worker_here != nullptr && worker_owner_here == &owner) {
        worker_here->owner().report(std::move(thrown), where);
    } else if (local_polled_here == &owner) {
        report_uncaught_here(std::move(thrown), where);
    } else {
        print_uncaught(thrown, where);
    }
}

}  // namespace eddy::detail
