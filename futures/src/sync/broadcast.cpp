// SPDX-License-Identifier: MIT
#include <eddy/sync/detail/broadcast_state.hpp>

#include <mutex>
#include <utility>

#include "sync/wake_list.hpp"

namespace eddy::detail {

broadcast_state::broadcast_state(std::size_t capacity)
    : capacity_(capacity), slots_(std::make_unique<slot[]>(capacity)) {
    // Initialize the slots as if one round of values had been sent and read before position 0. Positions are compared
    // by equality, so the wrap-around is correct.
    for (std::size_t i = 0; i < capacity; ++i) slots_[i].at = position{i} - capacity;
}

/// Wakes the waiters whose position has a value now, and releases the lock. They are at the front of the list, because
/// later waiters wait for later positions.
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
            continue;  // another thread may have changed the front of the list
        }
        waiting_.remove(*first);
        waker wake = std::move(first->wake);
        // release: pairs with the acquire in stop_waiting() and wait(). After this store the waiter may be destroyed.
        first->is_shared.store(false, std::memory_order_release);
        wakes.push(std::move(wake));
    }
}

broadcast_state::sent broadcast_state::send(broadcast_item& item) noexcept {
    std::unique_lock guard(tail_lock_);
    const std::uint32_t count = receivers();
    if (count == 0) return {0};
    item.shares.set(count);  // published to the readers by the slot's lock
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
    if (tail_ - next <= capacity_) return {kinds::item};  // the value was sent after the slot's lock was released
    const std::uint64_t missed = oldest - next;
    next = oldest;
    return {kinds::lagged, false, nullptr, missed};
}

bool broadcast_state::wait(position next, broadcast_waiter& one, const waker& wake) noexcept {
    waker copy;
    bool is_copied = false;
    // Called without the lock: a waker may run user code.
    const auto make_copy = [&] {
        copy = wake;
        is_copied = true;
    };
    // acquire: pairs with the release in wake_due(). If the flag is clear, only this thread uses the waiter.
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

/// Adds `one` to the list. The caller holds the tail lock and has checked that there is no value for the waiter.
void broadcast_state::enlist(broadcast_waiter& one) noexcept {
    one.position = tail_;
    // relaxed: the thread that clears the flag holds the lock that this thread holds now.
    one.is_shared.store(true, std::memory_order_relaxed);
    waiting_.push_back(one);
}

void broadcast_state::unlist(broadcast_waiter& one) noexcept {
    waker dropped;
    const std::lock_guard guard(tail_lock_);
    if (!one.is_listed) return;
    waiting_.remove(one);
    // relaxed: only the waiter's owner, which is this thread, reads the flag after this.
    one.is_shared.store(false, std::memory_order_relaxed);
    dropped = std::move(one.wake);
}

broadcast_state::position broadcast_state::add_receiver() noexcept {
    const std::lock_guard guard(tail_lock_);
    // relaxed: the tail lock orders the changes, and the count publishes no other data.
    receivers_.fetch_add(1, std::memory_order_relaxed);
    return tail_;
}

broadcast_state::position broadcast_state::drop_receiver() noexcept {
    position until = 0;
    bool is_last = false;
    {
        const std::lock_guard guard(tail_lock_);
        // release: pairs with the acquire in receivers(), which is called without the lock.
        is_last = receivers_.fetch_sub(1, std::memory_order_release) == 1;
        until = tail_;
    }
    if (is_last) receivers_gone_.notify_waiters();
    return until;
}

bool broadcast_state::poll_receivers_gone(notify_waiter& one, const waker& wake) noexcept {
    return receivers_gone_.poll_until(one, wake, [&] { return receivers() == 0; });
}

std::size_t broadcast_state::unread() noexcept {
    // A receiver reads the values in order. So the values that some receiver has not read yet are the newest ones, and
    // a binary search finds the first of them.
    const std::lock_guard guard(tail_lock_);
    std::size_t low = 0;
    std::size_t high = capacity_;
    while (low < high) {
        const std::size_t middle = low + (high - low) / 2;
        slot& one = slot_of(tail_ + middle);  // `middle` counts from the oldest value
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

void broadcast_state::drop_sender() noexcept {
    if (!senders_.drop()) return;
    std::unique_lock guard(tail_lock_);
    is_closed_ = true;
    wake_due(guard);
}

}  // namespace eddy::detail
