// SPDX-License-Identifier: MIT
#include <eddy/detail/semaphore_state.hpp>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include <eddy/detail/acquisition.hpp>
#include <eddy/detail/held_lock.hpp>
#include <eddy/detail/wake_list.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

void guard_is_empty() noexcept {
    fatal_misuse("a guard that was unlocked or moved from has no value any more: use the one that it was moved to");
}

template <unsigned B>
void semaphore_state<B>::destroyed_too_early() noexcept {
    fatal_misuse(
        "a semaphore, mutex, rwlock or channel was destroyed while somebody waits for it: let it outlive its futures");
}

template <unsigned B>
acquired semaphore_state<B>::acquire_or_wait(std::size_t count, permit_waiter& who, const waker& wake) noexcept {
    waker kept = wake;  // cloned before the lock is taken, and dropped after it
    const std::lock_guard guard(lock_);
    // relaxed: as in try_acquire().
    word now = word_.load(std::memory_order_relaxed);
    for (;;) {
        if ((now & closed) != 0) return saw_closed();
        if (fits(now, count)) {
            // acquire: pairs with release().
            if (word_.compare_exchange_weak(now, now - count * one, std::memory_order_acquire,
                                            std::memory_order_relaxed)) {
                return acquired::yes;
            }
        } else if ((now & waiting) != 0) {
            break;
            // relaxed: whoever finds the bit set takes the lock, and by that sees the list.
        } else if (word_.compare_exchange_weak(now, now | waiting, std::memory_order_relaxed,
                                               std::memory_order_relaxed)) {
            break;
        }
    }
    who.needed = count;
    who.outcome = acquired::not_yet;
    who.wake.swap(kept);
    waiters_.push_back(who);
    return acquired::not_yet;
}

template <unsigned B>
acquired semaphore_state<B>::poll_again(permit_waiter& who, const waker& wake) noexcept {
    {
        const std::lock_guard guard(lock_);
        if (!who.is_listed) return who.outcome;
        if (who.wake.will_wake(wake)) return acquired::not_yet;
    }
    waker kept = wake;  // cloned before the lock is taken; the former one is dropped after it
    const std::lock_guard guard(lock_);
    if (!who.is_listed) return who.outcome;
    who.wake.swap(kept);
    return acquired::not_yet;
}

template <unsigned B>
bool semaphore_state<B>::leave(permit_waiter& who) noexcept {
    waker dropped;
    wake_list woken;
    bool were_given = false;
    bool is_more = false;
    {
        const std::lock_guard guard(lock_);
        if (who.is_listed) {
            const bool was_first = waiters_.front() == &who;
            waiters_.remove(who);
            dropped = std::move(who.wake);
            // What is there may be enough for those behind it. acquire: as in give().
            if (was_first) is_more = serve(word_.load(std::memory_order_acquire), 0, woken);
        } else {
            were_given = who.outcome == acquired::yes;
        }
    }
    woken.wake_all();
    if (is_more) give(0);
    if (were_given) release(who.needed);
    return were_given;
}

/// Gives `count` to those at the front, and keeps the rest. False if there would be too many.
template <unsigned B>
bool semaphore_state<B>::give(std::size_t count) noexcept {
    for (;;) {
        {
            wake_list woken;  // woken at the end of each round, so after the lock
            const std::lock_guard guard(lock_);
            // acquire: pairs with release(); what is given to a waiter here may have been put back there, and is handed
            // on by the lock.
            const word now = word_.load(std::memory_order_acquire);
            if (count > max_permits - permits(now)) return false;
            if ((now & waiting) != 0) {
                if (!serve(now, count, woken)) return true;
                count = 0;
                continue;
            }
        }
        if (count == 0) return true;
        // Nobody waits by now. Not under the lock: who takes these permits past it, and has a mutex by that, may
        // destroy all this at once. (Who is served takes the lock to hear of it, and so comes after this.) relaxed,
        // release: as in release().
        word now = word_.load(std::memory_order_relaxed);
        while ((now & waiting) == 0 && count <= max_permits - permits(now)) {
            if (word_.compare_exchange_weak(now, now + count * one, std::memory_order_release,
                                            std::memory_order_relaxed)) {
                return true;
            }
        }
    }
}

/// Under the lock, with `waiting` set: gives what there is, and `more` with it, to as many as it is enough for. True if
/// `woken` has no room for another who could be served.
template <unsigned B>
bool semaphore_state<B>::serve(word now, std::size_t more, wake_list& woken) noexcept {
    std::size_t left = permits(now) + more;
    bool is_more = false;
    // Who waits when it is closed is told so by close(), and by nobody else.
    while ((now & closed) == 0 && !waiters_.is_empty() && waiters_.front()->needed <= left) {
        is_more = woken.is_full();
        if (is_more) break;
        permit_waiter& next = *waiters_.pop_front();
        left -= next.needed;
        next.outcome = acquired::yes;
        woken.push(std::move(next.wake));
    }
    // The other bits may have changed since, the permits have not: so the difference is added.
    const word change = (left - permits(now)) * one - (waiters_.is_empty() ? waiting : 0);
    // release: pairs with try_acquire(); what is left there may be what was given back just now.
    if (change != 0) word_.fetch_add(change, std::memory_order_release);
    return is_more;
}

template <unsigned B>
std::size_t semaphore_state<B>::forget(std::size_t count) noexcept {
    const std::lock_guard guard(lock_);  // against those who count what is there, in serve()
    word now = word_.load(std::memory_order_relaxed);
    std::size_t taken = 0;
    do {
        taken = std::min(count, permits(now));
        // relaxed: who forgets permits does nothing with them.
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
        // release: pairs with is_closed(). acquire: pairs with what went before in the other direction: who closes a
        // channel sees what its senders did, and has to answer for it.
        const word before = word_.fetch_or(closed, std::memory_order_acq_rel);
        if ((before & waiting) == 0) return;
        while (!waiters_.is_empty() && !woken.is_full()) {
            permit_waiter& next = *waiters_.pop_front();
            next.outcome = acquired::closed;
            woken.push(std::move(next.wake));
        }
        is_more = !waiters_.is_empty();
        // relaxed: whoever looks for waiters takes the lock.
        if (!is_more) word_.fetch_and(~waiting, std::memory_order_relaxed);
    }
}

template class semaphore_state<30>;
template class semaphore_state<60>;

}  // namespace eddy::detail
