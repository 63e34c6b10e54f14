// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/spawned_task.hpp>

namespace eddy::detail {

/// How the poll of a task has ended.
enum class poll_end : unsigned char {
    waits,
    woke_itself,  ///< waits, and was woken by the poll itself: its word does not know of it
    has_ended,
};

class polled_task;

/// The innermost that lives on this thread, or null.
inline constinit thread_local const polled_task* polled_here = nullptr;

/// Says, while it lives, that a task is polled, or destroyed, on this thread. Several can be, one inside the other:
/// what a task destroys belongs to tasks as well.
class polled_task {
public:
    explicit polled_task(const spawned_task& task) noexcept : task_(task), outer_(std::exchange(polled_here, this)) {}
    polled_task(const polled_task&) = delete;
    polled_task& operator=(const polled_task&) = delete;
    ~polled_task() { polled_here = outer_; }

    /// The innermost task of a pool or a local set; null outside of such tasks.
    [[nodiscard]] static const spawned_task* here() noexcept {
        return polled_here == nullptr ? nullptr : &polled_here->task_;
    }

    /// The outermost one; null where none is.
    [[nodiscard]] static const spawned_task* outermost() noexcept {
        const polled_task* one = polled_here;
        while (one != nullptr && one->outer_ != nullptr) one = one->outer_;
        return one == nullptr ? nullptr : &one->task_;
    }

    [[nodiscard]] static bool is_here(const spawned_task& task) noexcept {
        for (const polled_task* one = polled_here; one != nullptr; one = one->outer_) {
            if (&one->task_ == &task) return true;
        }
        return false;
    }

    /// For a wake of `task` on this thread: true if it is the innermost that is polled here, so that who polls it will
    /// see the mark. That saves two changes of the task's word, of which the last of the poll makes one.
    [[nodiscard]] static bool wakes_itself(const spawned_task& task) noexcept {
        if (polled_here == nullptr || &polled_here->task_ != &task) return false;
        polled_here->has_woken_itself_ = true;
        return true;
    }
    [[nodiscard]] poll_end end(bool has_ended) const noexcept {
        if (has_ended) return poll_end::has_ended;
        return has_woken_itself_ ? poll_end::woke_itself : poll_end::waits;
    }

private:
    const spawned_task& task_;
    const polled_task* const outer_;
    mutable bool has_woken_itself_ = false;  // mutable: these objects are const where they stand
};

}  // namespace eddy::detail
