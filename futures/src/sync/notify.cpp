// SPDX-License-Identifier: MIT
#include <eddy/sync/detail/notify_state.hpp>

#include <mutex>
#include <utility>

#include "sync/wake_list.hpp"

namespace eddy::detail {

using notification_kind = notify_waiter::notification_kind;

bool notify_state::may_be_destroyed() noexcept {
    // A waiter can see its notification while the notifier still holds the lock, so take the lock once. A notifier that
    // has released the lock does not touch this object again, except between two batches of notify_all_waiting(). Wait
    // for those notifiers.
    const std::lock_guard guard(word_);
    active_notifiers_.end(word_);
    return waiting_.is_empty() && leaving_.is_empty();
}

bool notify_state::has_waiters() noexcept {
    const std::lock_guard guard(word_);
    return !waiting_.is_empty() || !leaving_.is_empty();
}

void notify_state::destroyed_too_early(const char* text) const noexcept {
    const notify_waiter* const first = waiting_.is_empty() ? leaving_.front() : waiting_.front();
    fatal_destroyed(text, first == nullptr ? nullptr : first->polled_at);
}

notify_state::word notify_state::current() const noexcept {
    // relaxed: the caller holds the lock, which orders all changes of the word.
    return word_.load(std::memory_order_relaxed);
}

/// Returns true if `one` has no notification yet and was not included in a notification of all waiters.
bool notify_state::is_waiting(const notify_waiter& one) const noexcept {
    // relaxed: the `notification` of a listed waiter changes under the lock.
    return one.notification.load(std::memory_order_relaxed) == notification_kind::none &&
           one.calls == calls_in(current());
}

/// Stores `notification` in `one`, which the caller has removed from its list. The caller wakes the returned waker
/// after it has released the lock.
waker notify_state::deliver(notify_waiter& one, notification_kind notification) noexcept {
    waker wake = std::move(one.wake);
    // release: pairs with the acquire in poll_waiting() and leave_waiting(), which read `notification` without the
    // lock. The waiter sees what the notifier wrote, and from then on only the waiter uses `one`.
    one.notification.store(notification, std::memory_order_release);
    return wake;
}

/// Returns the value of the word after a waiter was removed.
inline notify_state::word notify_state::without_waiter() const noexcept {
    const word now = current();
    return waiting_.is_empty() && state_in(now) == waiting ? now - waiting : now;
}

/// Passes `notification` to the first or the last waiter. If there are no waiters, stores a permit for the next one.
waker notify_state::deliver_next(notification_kind notification) noexcept {
    notify_waiter* const next = notification == notification_kind::to_last ? waiting_.pop_back() : waiting_.pop_front();
    if (next == nullptr) {
        word_.set(with_permit(current()));
        return {};
    }
    waker wake = deliver(*next, notification);
    word_.set(without_waiter());
    return wake;
}

void notify_state::notify_waiting(notification_kind notification) noexcept {
    waker wake;
    {
        const std::lock_guard guard(word_);
        wake = deliver_next(notification);
    }
    std::move(wake).wake();
}

void notify_state::notify_all_waiting() noexcept {
    wake_list wakes;
    active_notifiers::active_notifier active_notifier;
    std::unique_lock guard(word_);
    word_.set(current() + one_call);
    leaving_.append(waiting_);
    word_.set(without_waiter());
    for (;;) {
        while (!wakes.is_full()) {
            notify_waiter* const next = leaving_.pop_front();
            if (next == nullptr) {
                guard.unlock();
                return wakes.wake_all();
            }
            wakes.push(deliver(*next, notification_kind::to_all));
        }
        // While the lock is released, the remaining waiters may leave on their own. So they stay in a list of this
        // object and not in a local one.
        active_notifiers_.add(active_notifier);
        guard.unlock();
        wakes.wake_all();
        if (active_notifier.is_object_gone()) return;  // a waker destroyed this object
        guard.lock();
        active_notifiers_.remove(active_notifier);
    }
}

/// Drops the waker of a waiter that is in no list.
void drop_waker(notify_waiter& one) noexcept { const waker dropped = std::move(one.wake); }

bool notify_state::poll_fresh(notify_waiter& one, const waker* wake) noexcept {
    if (wake != nullptr) one.wake = waker(*wake);  // before the lock is taken, while no other thread can see `one`
    word_.lock();
    const word now = current();
    const bool is_notified = calls_in(now) != one.calls;
    if (is_notified || state_in(now) == permit) {
        word_.unlock_as(is_notified ? now : now - permit);
        drop_waker(one);
        return end(one);
    }
    one.stage = notify_waiter::stages::waiting;
    waiting_.push_back(one);
    word_.unlock_as(now | waiting);
    return false;
}

bool notify_state::poll_waiting(notify_waiter& one, const waker* wake) noexcept {
    // acquire: pairs with the release in deliver().
    if (one.notification.load(std::memory_order_acquire) != notification_kind::none) return end(one);
    waker other;  // dropped after the lock is released
    {
        const std::lock_guard guard(word_);
        if (!is_waiting(one)) {
            unlist(one);
            other = std::move(one.wake);
            return end(one);
        }
        if (wake == nullptr || one.wake.will_wake(*wake)) return false;
    }
    other = *wake;
    const std::lock_guard guard(word_);
    if (!is_waiting(one)) {
        unlist(one);
        one.wake.swap(other);
        return end(one);
    }
    one.wake.swap(other);
    return false;
}

inline void notify_state::unlist(notify_waiter& one) noexcept {
    const bool is_ready = one.calls != calls_in(current());
    (is_ready ? leaving_ : waiting_).remove(one);
}

void notify_state::leave_waiting(notify_waiter& one) noexcept {
    one.stage = notify_waiter::stages::ended;
    // acquire: pairs with the release in deliver(), after which no other thread uses `one`.
    if (one.notification.load(std::memory_order_acquire) == notification_kind::to_all) return;
    word_.lock();
    // relaxed: `notification` is written under the lock.
    const notification_kind notification = one.notification.load(std::memory_order_relaxed);
    if (notification == notification_kind::none) {
        unlist(one);
        word_.unlock_as(without_waiter());
        return drop_waker(one);
    }
    waker next;
    if (notification != notification_kind::to_all) next = deliver_next(notification);
    word_.unlock();
    std::move(next).wake();
}

}  // namespace eddy::detail
