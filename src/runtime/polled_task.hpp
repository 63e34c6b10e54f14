// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/spawned_task.hpp>

#include "runtime/runtime_context.hpp"

namespace eddy::detail {

/// The result of a task's poll.
enum class poll_end : unsigned char {
    waits,
    woke_itself,  ///< waits, and the poll itself has woken the task; the task's state word does not record this wake-up
    has_ended,
};

/// Marks a task as being polled or destroyed on this thread. Objects nest: a task can destroy other tasks in its poll.
/// Lifetime: lives on the stack, during the poll.
/// Thread safety: one thread.
class polled_task {
public:
    explicit polled_task(const spawned_task& task) noexcept
        : task_(task), outer_(std::exchange(this_thread.polled, this)) {}
    polled_task(const polled_task&) = delete;
    polled_task& operator=(const polled_task&) = delete;
    ~polled_task() { this_thread.polled = outer_; }

    /// Returns the innermost task of a pool or a local set. Null outside of their tasks.
    [[nodiscard]] static const spawned_task* here() noexcept {
        const polled_task* const innermost = this_thread.polled;
        return innermost == nullptr ? nullptr : &innermost->task_;
    }

    /// Returns the outermost task, or null if there is none.
    [[nodiscard]] static const spawned_task* outermost() noexcept {
        const polled_task* one = this_thread.polled;
        while (one != nullptr && one->outer_ != nullptr) one = one->outer_;
        return one == nullptr ? nullptr : &one->task_;
    }

    /// Returns whether `task` is being polled or destroyed on this thread.
    [[nodiscard]] static bool is_here(const spawned_task& task) noexcept {
        for (const polled_task* one = this_thread.polled; one != nullptr; one = one->outer_) {
            if (&one->task_ == &task) return true;
        }
        return false;
    }

    /// Records a wake-up of `task` on this thread if it is the innermost polled task. Returns whether it is. The code
    /// that polls it then sees the mark in end(), so the wake-up need not change the task's state word.
    [[nodiscard]] static bool wakes_itself(const spawned_task& task) noexcept {
        const polled_task* const innermost = this_thread.polled;
        if (innermost == nullptr || &innermost->task_ != &task) return false;
        innermost->has_woken_itself_ = true;
        return true;
    }
    /// Returns the result of the poll, with the wake-ups that wakes_itself() has recorded.
    [[nodiscard]] poll_end end(bool has_ended) const noexcept {
        if (has_ended) return poll_end::has_ended;
        return has_woken_itself_ ? poll_end::woke_itself : poll_end::waits;
    }

private:
    const spawned_task& task_;
    const polled_task* const outer_;
    mutable bool has_woken_itself_ = false;  // mutable: the objects are declared const
};

}  // namespace eddy::detail
