// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/joinable.hpp>
#include <eddy/detail/spawned_task.hpp>

namespace eddy::detail {

/// The task that is polled on this thread: its number, for those who ask.
inline constinit thread_local std::uint64_t polled_task_id = 0;

class polled_task {
public:
    explicit polled_task(const spawned_task& task) noexcept : outer_(std::exchange(polled_task_id, task.id)) {}
    polled_task(const polled_task&) = delete;
    polled_task& operator=(const polled_task&) = delete;
    ~polled_task() { polled_task_id = outer_; }

private:
    const std::uint64_t outer_;
};

}  // namespace eddy::detail
