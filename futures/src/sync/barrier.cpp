// SPDX-License-Identifier: MIT
#include <eddy/sync/barrier.hpp>

#include <mutex>
#include <utility>

#include "sync/wake_list.hpp"

namespace eddy::detail {

using stages = barrier_waiter::stages;

bool barrier_state::may_be_destroyed() noexcept {
    const std::lock_guard guard(lock_);
    active_notifiers_.end(lock_);
    return waiting_.is_empty();
}

void barrier_state::destroyed_too_early() const noexcept {
    const barrier_waiter* const first = waiting_.front();
    fatal_destroyed(
        "a sync::barrier was destroyed while a task waits for it: keep it until its wait() futures are gone",
        first == nullptr ? nullptr : first->polled_at);
}

/// Wakes the waiters of all rounds that are over, and releases the lock. A round that is over is at the front of the
/// list, so the list can be processed in batches while other tasks arrive or leave.
template <class Guard>
void barrier_state::wake_former_rounds(Guard& guard) noexcept {
    wake_list wakes;
    active_notifiers::active_notifier active_notifier;
    for (;;) {
        barrier_waiter* const first = waiting_.front();
        const bool is_last = first == nullptr || first->round == rounds_;
        if (is_last) {
            guard.unlock();
            return wakes.wake_all();
        }
        waiting_.remove(*first);
        wakes.push(std::move(first->wake));
        if (!wakes.is_full()) continue;
        active_notifiers_.add(active_notifier);
        guard.unlock();
        wakes.wake_all();
        if (active_notifier.is_object_gone()) return;  // a waker destroyed the barrier
        guard.lock();
        active_notifiers_.remove(active_notifier);
    }
}

barrier_state::answers barrier_state::arrive(barrier_waiter& one, const waker& wake) noexcept {
    waker copy = wake;  // before the lock is taken: a waker may run user code
    std::unique_lock guard(lock_);
    if (arrived_ + 1 == count_) {
        arrived_ = 0;
        ++rounds_;
        one.stage = stages::ended;
        wake_former_rounds(guard);
        return answers::complete_as_leader;
    }
    ++arrived_;
    one.round = rounds_;
    one.stage = stages::waiting;
    one.wake.swap(copy);
    waiting_.push_back(one);
    return answers::not_yet;
}

barrier_state::answers barrier_state::poll(barrier_waiter& one, const waker& wake) noexcept {
    if (one.stage == stages::fresh) return arrive(one, wake);
    waker other;
    waker dropped;  // destroyed after the lock is released: a waker may run user code
    for (bool is_copied = false;; is_copied = true) {
        {
            const std::lock_guard guard(lock_);
            if (one.round != rounds_) {
                waiting_.remove(one);
                one.stage = stages::ended;
                dropped = std::move(one.wake);
                return answers::complete;
            }
            if (one.wake.will_wake(wake)) return answers::not_yet;
            if (is_copied) {
                one.wake.swap(other);
                return answers::not_yet;
            }
        }
        other = wake;
    }
}

bool barrier_state::leave(barrier_waiter& one) noexcept {
    if (one.stage != stages::waiting) return one.stage == stages::ended;
    one.stage = stages::ended;
    waker dropped;
    const std::lock_guard guard(lock_);
    const bool had_arrived = one.round != rounds_;
    if (!had_arrived) --arrived_;
    waiting_.remove(one);
    dropped = std::move(one.wake);
    return had_arrived;
}

}  // namespace eddy::detail
