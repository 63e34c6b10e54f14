// SPDX-License-Identifier: MIT
#include <eddy/task/task_owner.hpp>

#include <utility>

#include "runtime/uncaught.hpp"

namespace eddy::inline v0_1 {

task_owner::~task_owner() {
    if (!base_.may_be_destroyed_here()) {
        detail::fatal_misuse(
            "a task_owner was destroyed on another thread than that of the event loop of its tasks: await its close() "
            "in that loop before");
    }
    base_.destroy_children();
}

namespace detail {

void report_background_failure(unread_failure&& failure, const std::source_location& where) noexcept {
    report_failure_here(std::move(failure), where);
}

}  // namespace detail
}  // namespace eddy
