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
            waiter* const last = waiters_.pop_back();
            if (last == nullptr) return;
            next = std::move(last->wake);
        }
        std::move(next).wake();
    }
}

bool tracker_state::poll_end(std::uint64_t seen, waiter& mine, const waker& wake) noexcept {
    {
        const std::lock_guard guard(lock_);
        if (ends_ != seen) return true;
        if (mine.is_listed && mine.wake.will_wake(wake)) return false;
    }
    waker copy = wake;  // cloned before the lock is taken, and the former one dropped after it
    const std::lock_guard guard(lock_);
    if (ends_ != seen) return true;
    mine.wake.swap(copy);
    if (!mine.is_listed) waiters_.push_back(mine);
    return false;
}

void tracker_state::leave(waiter& mine) noexcept {
    waker dropped;
    const std::lock_guard guard(lock_);
    if (!mine.is_listed) return;
    waiters_.remove(mine);
    dropped = std::move(mine.wake);
}

}  // namespace eddy::detail
