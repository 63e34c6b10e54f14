// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

namespace eddy::detail {

struct task_local_binding;

/// The task_local values that are bound on this thread, innermost first.
inline constinit thread_local task_local_binding* task_locals_here = nullptr;

/// Hides all task_local values until the end of the scope. For code that polls or destroys other tasks inside a poll.
class without_task_locals {
public:
    without_task_locals() noexcept : outer_(std::exchange(task_locals_here, nullptr)) {}
    without_task_locals(const without_task_locals&) = delete;
    without_task_locals& operator=(const without_task_locals&) = delete;
    ~without_task_locals() { task_locals_here = outer_; }

private:
    task_local_binding* const outer_;
};

}  // namespace eddy::detail
