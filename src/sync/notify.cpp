// SPDX-License-Identifier: MIT
#include <eddy/detail/notify_state.hpp>

#include <mutex>
#include <utility>

#include <eddy/detail/wake_list.hpp>

namespace eddy::detail {

using gifts = notify_waiter::gifts;

bool notify_state::may_be_destroyed() noexcept {
    // A waiter may have seen its gift while who gave it still has the lock; after that it touches nothing of this,
    // unless it tells many.
    const std::lock_guard guard(word_);
    tellers_.end(word_);
    return waiting_.is_empty() && leaving_.is_empty();
}

notify_state::word notify_state::current() const noexcept {
    return word_.load(std::memory_order_relaxed);  // the lock has seen all that changed it
}

/// Whether it was in nobody's eyes yet: neither handed anything, nor among those that are ready.
bool notify_state::is_waiting(const notify_waiter& one) const noexcept {
    // relaxed: a listed waiter's gift changes under the lock.
    return one.gift.load(std::memory_order_relaxed) == gifts::none && one.calls == calls_in(current());
}

/// Takes `one`, which is in a list, out of it and hands it `gift`: what is returned is to be woken after the lock.
waker notify_state::hand(notify_waiter& one, gifts gift) noexcept {
    waker wake = std::move(one.wake);
    // release: pairs with the acquire in poll_waiting() and leave_waiting(), which look without the lock. It sees what
    // the notifier wrote, and that nobody touches the waiter any more.
    one.gift.store(gift, std::memory_order_release);
    return wake;
}

/// What the word is to be now that somebody waits no more.
inline notify_state::word notify_state::without_waiter() const noexcept {
    const word now = current();
    return waiting_.is_empty() && state_in(now) == waiting ? now - waiting : now;
}

/// To the first or the last of those who wait; to whoever comes, if nobody does.
waker notify_state::hand_to_next(gifts gift) noexcept {
    notify_waiter* const next = gift == gifts::to_last ? waiting_.pop_back() : waiting_.pop_front();
    if (next == nullptr) {
        word_.set(with_permit(current()));
        return {};
    }
    waker wake = hand(*next, gift);
    word_.set(without_waiter());
    return wake;
}

void notify_state::notify_waiting(gifts gift) noexcept {
    waker wake;
    {
        const std::lock_guard guard(word_);
        wake = hand_to_next(gift);
    }
    std::move(wake).wake();
}

void notify_state::notify_all_waiting() noexcept {
    wake_list wakes;
    tellers::teller teller;
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
            wakes.push(hand(*next, gifts::to_all));
        }
        // Without the lock any of those that are left may leave by itself, which is why they are in a list of this.
        tellers_.add(teller);
        guard.unlock();
        wakes.wake_all();
        if (teller.is_left_behind()) return;
        guard.lock();
        tellers_.remove(teller);
    }
}

/// What is left of who is in no list any more.
void drop_waker(notify_waiter& one) noexcept { const waker dropped = std::move(one.wake); }

bool notify_state::poll_fresh(notify_waiter& one, const waker* wake) noexcept {
    if (wake != nullptr) one.wake = waker(*wake);  // before the lock is taken, while nobody else knows of it
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
    // acquire: pairs with the release in hand().
    if (one.gift.load(std::memory_order_acquire) != gifts::none) return end(one);
    waker other;  // what is dropped after the lock
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
    // acquire: pairs with the release in hand(), after which nobody touches `one`.
    if (one.gift.load(std::memory_order_acquire) == gifts::to_all) return;
    word_.lock();
    // relaxed: written under the lock.
    const gifts gift = one.gift.load(std::memory_order_relaxed);
    if (gift == gifts::none) {
        unlist(one);
        word_.unlock_as(without_waiter());
        return drop_waker(one);
    }
    waker next;
    if (gift != gifts::to_all) next = hand_to_next(gift);
    word_.unlock();
    std::move(next).wake();
}

}  // namespace eddy::detail
