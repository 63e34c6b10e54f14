// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/spawned_task.hpp>

namespace eddy::detail {

/// Says, while it lives, that a task is polled, or destroyed, on this thread. Several can be, one inside the other: what a
/// task destroys belongs to tasks as well.
class polled_task {
public:
    explicit polled_task(const spawned_task& task) noexcept : task_(task), outer_(std::exchange(innermost, this)) {}
    polled_task(const polled_task&) = delete;
    polled_task& operator=(const polled_task&) = delete;
    ~polled_task() { innermost = outer_; }

    /// The innermost task of a pool or a local set; null outside of such tasks.
    [[nodiscard]] static const spawned_task* here() noexcept {
        return innermost == nullptr ? nullptr : &innermost->task_;
    }

    [[nodiscard]] static bool is_here(const spawned_task& task) noexcept {
        for (const polled_task* one = innermost; one != nullptr; one = one->outer_) {
            if (&one->task_ == &task) return true;
        }
        return false;
    }

private:
    static inline constinit thread_local const polled_task* innermost = nullptr;

    const spawned_task& task_;
    const polled_task* const outer_;
};

}  // namespace eddy::detail
