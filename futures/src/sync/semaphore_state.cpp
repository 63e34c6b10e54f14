// SPDX-License-Identifier: MIT
#include <eddy/sync/detail/semaphore_state.hpp>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/detail/await_record.hpp>
#include <eddy/sync/detail/acquisition.hpp>
#include <eddy/sync/detail/held_lock.hpp>

#include "sync/wake_list.hpp"

namespace eddy::detail {

void guard_is_empty() noexcept {
    fatal_misuse("a guard that was unlocked or moved from has no value any more: use the one that it was moved to");
}

template <unsigned B>
void semaphore_state<B>::destroyed_too_early(const char* text) const noexcept {
    if (const permit_waiter* const first = waiters_.front()) fatal_destroyed(text, first->polled_at);
    const call_site holder = last_acquired(this);
    if (holder == nullptr) fatal_misuse(text);
    fatal_misuse(std::string(text) + ". The last co_await that acquired a lock or permit at its address is",
                 source_location_of(holder));
}

template <unsigned B>
acquired semaphore_state<B>::acquire_or_wait(std::size_t count, permit_waiter& entry, const waker& wake) noexcept {
    waker kept = wake;  // cloned before the lock is taken; the previous waker is dropped after the lock is released
    const std::lock_guard guard(lock_);
    // relaxed load, also on failure of the exchange: as in try_acquire().
    word now = word_.load(std::memory_order_relaxed);
    for (;;) {
        if ((now & closed) != 0) return saw_closed();
        if (fits(now, count)) {
            // acquire: pairs with the release in release().
            if (word_.compare_exchange_weak(now, now - count * one, std::memory_order_acquire,
                                            std::memory_order_relaxed)) {
                return acquired::yes;
            }
        } else if ((now & waiting) != 0) {
            break;
            // relaxed: a thread that sees the bit takes the lock, which makes the list visible.
        } else if (word_.compare_exchange_weak(now, now | waiting, std::memory_order_relaxed,
                                               std::memory_order_relaxed)) {
            break;
        }
    }
    entry.needed = count;
    entry.outcome = acquired::not_yet;
    entry.wake.swap(kept);
    waiters_.push_back(entry);
    return acquired::not_yet;
}

template <unsigned B>
acquired semaphore_state<B>::poll_again(permit_waiter& entry, const waker& wake) noexcept {
    {
        const std::lock_guard guard(lock_);
        if (!entry.is_listed) return entry.outcome;
        if (entry.wake.will_wake(wake)) return acquired::not_yet;
    }
    waker kept = wake;  // cloned before the lock is taken; the previous waker is dropped after the lock is released
    const std::lock_guard guard(lock_);
    if (!entry.is_listed) return entry.outcome;
    entry.wake.swap(kept);
    return acquired::not_yet;
}

template <unsigned B>
bool semaphore_state<B>::leave(permit_waiter& entry) noexcept {
    waker dropped;
    wake_list woken;
    bool were_given = false;
    bool is_more = false;
    {
        const std::lock_guard guard(lock_);
        if (entry.is_listed) {
            const bool was_first = waiters_.front() == &entry;
            waiters_.remove(entry);
            dropped = std::move(entry.wake);
            // The free permits may now be sufficient for the next waiters. acquire: as in give().
            if (was_first) is_more = serve(word_.load(std::memory_order_acquire), 0, woken);
        } else {
            were_given = entry.outcome == acquired::yes;
        }
    }
    woken.wake_all();
    if (is_more) give(0);
    if (were_given) release(entry.needed);
    return were_given;
}

/// Gives `count` permits to the waiters at the front of the list and keeps the rest. Returns false if there would be
/// more than max_permits.
template <unsigned B>
bool semaphore_state<B>::give(std::size_t count) noexcept {
    for (;;) {
        {
            wake_list woken;  // its wakers are called at the end of each round, after the lock is released
            const std::lock_guard guard(lock_);
            // acquire: pairs with the release in release(). A waiter may get permits that were released there; the lock
            // passes the visibility on to it.
            const word now = word_.load(std::memory_order_acquire);
            if (count > max_permits - permits(now)) return false;
            if ((now & waiting) != 0) {
                if (!serve(now, count, woken)) return true;
                count = 0;
                continue;
            }
        }
        if (count == 0) return true;
        // There are no waiters now. Add the permits without the lock: with a permit, a thread may own a mutex and
        // destroy this state immediately. (A waiter that is served takes the lock to read its outcome, so it continues
        // only after this function has released it.)
        // relaxed load: as in release(). release on success: pairs with the acquire in try_acquire().
        word now = word_.load(std::memory_order_relaxed);
        while ((now & waiting) == 0 && count <= max_permits - permits(now)) {
            if (word_.compare_exchange_weak(now, now + count * one, std::memory_order_release,
                                            std::memory_order_relaxed)) {
                return true;
            }
        }
    }
}

/// Serves waiters from the front of the list with the free permits plus `more`, as long as they are sufficient. The
/// caller holds the lock, and `waiting` is set. Returns true if another waiter could be served but `woken` is full.
template <unsigned B>
bool semaphore_state<B>::serve(word now, std::size_t more, wake_list& woken) noexcept {
    std::size_t left = permits(now) + more;
    bool is_more = false;
    // Waiters of a closed state are woken by close() only.
    while ((now & closed) == 0 && !waiters_.is_empty() && waiters_.front()->needed <= left) {
        is_more = woken.is_full();
        if (is_more) break;
        permit_waiter& next = *waiters_.pop_front();
        left -= next.needed;
        next.outcome = acquired::yes;
        woken.push(std::move(next.wake));
    }
    // Other bits may have changed since the load, but the permits have not. So add the difference.
    const word change = (left - permits(now)) * one - (waiters_.is_empty() ? waiting : 0);
    // release: pairs with the acquire in try_acquire(). The permits that remain in the word may be those that the
    // caller is releasing.
    if (change != 0) word_.fetch_add(change, std::memory_order_release);
    return is_more;
}

template <unsigned B>
std::size_t semaphore_state<B>::forget(std::size_t count) noexcept {
    const std::lock_guard guard(lock_);  // excludes serve(), which counts the permits
    // relaxed, here and below: the caller does not use the permits that it forgets, so the word
    // publishes no other data.
    word now = word_.load(std::memory_order_relaxed);
    std::size_t taken = 0;
    do {
        taken = std::min(count, permits(now));
    } while (
        !word_.compare_exchange_weak(now, now - taken * one, std::memory_order_relaxed, std::memory_order_relaxed));
    return taken;
}

template <unsigned B>
void semaphore_state<B>::close() noexcept {
    bool is_more = true;
    while (is_more) {
        wake_list woken;
        const std::lock_guard guard(lock_);
        // release: pairs with the acquire in is_closed(). acquire: the thread that closes a channel sees what the
        // channel's senders did before, and publishes it.
        const word before = word_.fetch_or(closed, std::memory_order_acq_rel);
        if ((before & waiting) == 0) return;
        while (!waiters_.is_empty() && !woken.is_full()) {
            permit_waiter& next = *waiters_.pop_front();
            next.outcome = acquired::closed;
            woken.push(std::move(next.wake));
        }
        is_more = !waiters_.is_empty();
        // relaxed: a thread that looks for waiters takes the lock.
        if (!is_more) word_.fetch_and(~waiting, std::memory_order_relaxed);
    }
}

template class semaphore_state<30>;
template class semaphore_state<60>;

}  // namespace eddy::detail
