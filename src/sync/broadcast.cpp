// SPDX-License-Identifier: MIT
#include <eddy/detail/broadcast_state.hpp>

#include <mutex>
#include <utility>

#include <eddy/detail/wake_list.hpp>

namespace eddy::detail {

broadcast_state::broadcast_state(std::size_t capacity)
    : capacity_(capacity), slots_(std::make_unique<slot[]>(capacity)) {
    // As if a round of values had been sent and read before the first. (Positions are compared by equality, and wrap.)
    for (std::size_t i = 0; i < capacity; ++i) slots_[i].at = position{i} - capacity;
}

/// Wakes those whose position has come, and leaves the lock. The list's first ones: the others came after them.
template <class Guard>
void broadcast_state::wake_due(Guard& guard) noexcept {
    wake_list wakes;
    for (;;) {
        broadcast_waiter* const first = waiting_.front();
        const bool is_last = first == nullptr || !is_due(*first);
        if (is_last || wakes.is_full()) {
            guard.unlock();
            wakes.wake_all();
            if (is_last) return;
            guard.lock();
            continue;  // the first may be another by now
        }
        waiting_.remove(*first);
        waker wake = std::move(first->wake);
        // release: pairs with stop_waiting(). After it the waiter may be gone.
        first->is_shared.store(false, std::memory_order_release);
        wakes.push(std::move(wake));
    }
}

broadcast_state::sent broadcast_state::send(broadcast_item& item) noexcept {
    std::unique_lock guard(tail_lock_);
    const std::uint32_t count = receivers();
    if (count == 0) return {0};
    item.shares.store(count, std::memory_order_relaxed);  // published by the slot's lock
    const position at = tail_++;
    sent done{count};
    {
        slot& to = slot_of(at);
        const std::lock_guard slot_guard(to.lock);
        done.overwritten = std::exchange(to.item, &item);
        done.shares = std::exchange(to.unread, count);
        to.at = at;
    }
    wake_due(guard);
    return done;
}

broadcast_state::taken broadcast_state::look_at_tail(position& next) noexcept {
    const std::lock_guard guard(tail_lock_);
    if (next == tail_) return {is_closed_ ? kinds::closed : kinds::empty};
    const position oldest = tail_ - capacity_;
    if (tail_ - next <= capacity_) return {kinds::item};  // it has come between the two locks
    const std::uint64_t missed = oldest - next;
    next = oldest;
    return {kinds::lagged, false, nullptr, missed};
}

bool broadcast_state::wait(position next, broadcast_waiter& one, const waker& wake) noexcept {
    waker copy;
    bool is_copied = false;
    // Not under the lock: a waker's code is a stranger's.
    const auto make_copy = [&] {
        copy = wake;
        is_copied = true;
    };
    // acquire: pairs with the release in wake_due(), after which the waiter is this caller's alone.
    if (!one.is_shared.load(std::memory_order_acquire)) make_copy();
    for (;;) {
        {
            const std::lock_guard guard(tail_lock_);
            if (next != tail_ || is_closed_) return false;
            if (one.is_listed && one.wake.will_wake(wake)) return true;
            if (is_copied) {
                one.wake.swap(copy);
                if (!one.is_listed) enlist(one);
                return true;
            }
        }
        make_copy();
    }
}

/// With the tail's lock, while there is nothing to read for it.
void broadcast_state::enlist(broadcast_waiter& one) noexcept {
    one.position = tail_;
    // relaxed: whoever clears it has the lock.
    one.is_shared.store(true, std::memory_order_relaxed);
    waiting_.push_back(one);
}

void broadcast_state::unlist(broadcast_waiter& one) noexcept {
    waker dropped;
    const std::lock_guard guard(tail_lock_);
    if (!one.is_listed) return;
    waiting_.remove(one);
    one.is_shared.store(false, std::memory_order_relaxed);
    dropped = std::move(one.wake);
}

broadcast_state::position broadcast_state::add_receiver() noexcept {
    const std::lock_guard guard(tail_lock_);
    receivers_.fetch_add(1, std::memory_order_relaxed);  // nothing is read through it
    return tail_;
}

broadcast_state::position broadcast_state::drop_receiver() noexcept {
    position until = 0;
    bool is_last = false;
    {
        const std::lock_guard guard(tail_lock_);
        // release: pairs with receivers(), which is asked without the lock.
        is_last = receivers_.fetch_sub(1, std::memory_order_release) == 1;
        until = tail_;
    }
    if (is_last) leavings_.notify_waiters();
    return until;
}

bool broadcast_state::poll_left(notify_waiter& one, const waker& wake) noexcept {
    for (;;) {
        if (one.stage != notify_waiter::stages::waiting) leavings_.begin(one);
        if (receivers() == 0) {
            leavings_.leave(one);
            return true;
        }
        if (!leavings_.poll(one, &wake)) return false;
        // There may be a new one by now.
    }
}

std::size_t broadcast_state::unread() noexcept {
    // Whoever has not read a value has read none after it. So those that somebody has yet to read are the newest.
    const std::lock_guard guard(tail_lock_);
    std::size_t low = 0;
    std::size_t high = capacity_;
    while (low < high) {
        const std::size_t middle = low + (high - low) / 2;
        slot& one = slot_of(tail_ + middle);  // counted from the oldest
        const std::lock_guard slot_guard(one.lock);
        if (one.unread == 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return capacity_ - low;
}

std::uint64_t broadcast_state::sent_since(position next) noexcept {
    const std::lock_guard guard(tail_lock_);
    return tail_ - next;
}

bool broadcast_state::try_add_sender() noexcept {
    std::size_t now = senders_.load(std::memory_order_relaxed);
    do {
        if (now == 0) return false;
        // relaxed: nothing is read through it.
    } while (!senders_.compare_exchange_weak(now, now + 1, std::memory_order_relaxed, std::memory_order_relaxed));
    return true;
}

void broadcast_state::drop_sender() noexcept {
    // acq_rel: what the other senders did comes before the closing.
    if (senders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    std::unique_lock guard(tail_lock_);
    is_closed_ = true;
    wake_due(guard);
}

}  // namespace eddy::detail
