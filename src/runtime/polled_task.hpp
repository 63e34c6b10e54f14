// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/spawned_task.hpp>

namespace eddy::detail {

/// The task of a pool or a local set that is polled on this thread, for those who ask what it is; null outside of such
/// tasks.
inline constinit thread_local const spawned_task* polled_task_here = nullptr;

/// Whoever polls a task has one of these, and a reference of the task as long.

class polled_task {
public:
    explicit polled_task(const spawned_task& task) noexcept : outer_(std::exchange(polled_task_here, &task)) {}
    polled_task(const polled_task&) = delete;
    polled_task& operator=(const polled_task&) = delete;
    ~polled_task() { polled_task_here = outer_; }

private:
    const spawned_task* const outer_;
};

}  // namespace eddy::detail
