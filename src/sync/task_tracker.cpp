// SPDX-License-Identifier: MIT
#include <eddy/sync/task_tracker.hpp>

#include <mutex>
#include <utility>

namespace eddy::detail {

void tracker_state::retain() noexcept {
    // relaxed: whoever makes a reference has one already.
    references_.fetch_add(1, std::memory_order_relaxed);
}

void tracker_state::release() noexcept {
    // acq_rel: whoever frees sees what the others did before they let go.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

std::uint64_t tracker_state::ends() noexcept {
    const std::lock_guard guard(lock_);
    return ends_;
}

/// It has become closed and empty: all who wait are to hear of that, even if it is opened again at once.
void tracker_state::tell() noexcept {
    {
        const std::lock_guard guard(lock_);
        ++ends_;
    }
    for (;;) {
        waker next;
        {
            const std::lock_guard guard(lock_);
            tracker_waiter* const waiter = first_;
            if (waiter == nullptr) return;
            first_ = waiter->next;
            if (first_ != nullptr) first_->previous = nullptr;
            waiter->next = nullptr;
            waiter->is_listed = false;
            next = std::move(waiter->wake);
        }
        std::move(next).wake();
    }
}

bool tracker_state::poll_end(std::uint64_t seen, tracker_waiter& waiter, const waker& wake) noexcept {
    {
        const std::lock_guard guard(lock_);
        if (ends_ != seen) return true;
        if (waiter.is_listed && waiter.wake.will_wake(wake)) return false;
    }
    waker copy = wake;  // cloned before the lock is taken, and the former one dropped after it
    const std::lock_guard guard(lock_);
    if (ends_ != seen) return true;
    waiter.wake.swap(copy);
    if (!waiter.is_listed) {
        waiter.is_listed = true;
        waiter.next = first_;
        if (first_ != nullptr) first_->previous = &waiter;
        first_ = &waiter;
    }
    return false;
}

void tracker_state::leave(tracker_waiter& waiter) noexcept {
    waker dropped;
    const std::lock_guard guard(lock_);
    if (!waiter.is_listed) return;
    (waiter.previous != nullptr ? waiter.previous->next : first_) = waiter.next;
    if (waiter.next != nullptr) waiter.next->previous = waiter.previous;
    waiter.previous = waiter.next = nullptr;
    waiter.is_listed = false;
    dropped = std::move(waiter.wake);
}

}  // namespace eddy::detail
