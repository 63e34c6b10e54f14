// SPDX-License-Identifier: MIT
#include <eddy/sync/task_tracker.hpp>

#include <mutex>
#include <utility>

namespace eddy::detail {

std::uint64_t tracker_state::ends() noexcept {
    const std::lock_guard guard(lock_);
    return ends_;
}

/// Notifies all waiters, even if the tracker is reopened immediately. Called when the tracker has become closed and
/// empty.
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
    waker copy = wake;  // cloned before the lock is taken; the previous waker is dropped after the lock is released
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
