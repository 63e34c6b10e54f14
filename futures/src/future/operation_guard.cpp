// SPDX-License-Identifier: MIT
#include <eddy/future/detail/operation_guard.hpp>

#include <cstdint>
#include <mutex>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/error.hpp>

namespace eddy::detail {

operation_guard::~operation_guard() {
    const std::lock_guard guard(lock_);
    if (operation_hold* const holder = holder_.load(std::memory_order_relaxed)) holder->guard_ = nullptr;
}

/// Makes `next` the holder if the present one has left, or gives way. Returns false if it may go on without the guard.
bool operation_guard::take_over(operation_hold& next, const context& cx, const std::source_location& where) {
    waker dropped;  // after the unlock, because it may free the task
    std::unique_lock guard(lock_);
    operation_hold* holder = nullptr;
    // Fails if there is a holder. One without a waker may leave meanwhile, without the lock.
    if (holder_.compare_exchange_strong(holder, &next, std::memory_order_relaxed)) return true;
    if (gives_way(task_, is_of_cleanup_, aborted_tasks::of_this_thread)) {
        // SAFETY: a holder that waits needs the lock to leave, so it exists.
        holder->guard_ = nullptr;
        holder_.store(&next, std::memory_order_relaxed);
        dropped.swap(task_);
        return true;
    }
    if (several_ == same_task::permitted && !task_.is_noop() && task_.will_wake(cx.waker())) return false;
    const auto first = source_location_of(awaited_at_.load(std::memory_order_relaxed));
    guard.unlock();
    throw_two_operations(text_, first, where);
}

void operation_guard::keep(const waker& task) noexcept {
    {
        const std::lock_guard guard(lock_);
        is_of_cleanup_ = wakes_aborted_task(task);
        if (task_.will_wake(task)) return;
    }
    waker kept = task;  // outside of the lock, as the destructor: both may run the program's code
    const std::lock_guard guard(lock_);
    task_.swap(kept);
}

void operation_guard::give_back(const operation_hold& ended) noexcept {
    waker dropped;
    const std::lock_guard guard(lock_);
    if (holder_.load(std::memory_order_relaxed) != &ended) return;
    holder_.store(nullptr, std::memory_order_relaxed);
    dropped.swap(task_);
}

void operation_hold::leave_slowly() noexcept {
    has_waited_ = false;
    std::exchange(guard_, nullptr)->give_back(*this);
}

}  // namespace eddy::detail
