// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/detail/waiter_list.hpp>
#include <eddy/waker.hpp>

// Permits and who waits for them: the core of semaphore, mutex, rwlock and the bounded channel. One word:
//
//     bit  name       changed by           what it says
//     0    waiting    who has the lock     the list is not empty
//     1    closed     close()              for good: nobody waits any more, and no more permits are taken
//     2    mark       the owner of this    for the owner of this (a channel: its receiver waits)
//     3..  permits    see below            how many are free
//     top  extra      the owner of this    for the owner of this (a channel: its tail); it may wrap around
//
// While `waiting` is clear, permits are taken and given back by one compare-exchange, and nothing else is touched.
// While it is set, only who has the lock changes `permits`: whoever wants some goes to the end of the list, whoever
// gives some back serves the list from its front. So nobody is overtaken, and a large request at the front holds up the
// small ones behind it: else it might wait for ever. Permits that are too few for the front stay in the word. What a
// waiter is given is taken out of the word at once; if it goes without having taken note, it gives them back. Each
// change of the word is one read-modify-write, also under the lock: `mark` and `extra` change without it.

namespace eddy::detail {

enum class acquired : std::uint8_t { yes, not_yet, closed };

/// Who waits for permits. All of it is under the lock of the state, while it is listed; then it is its owner's again.
struct permit_waiter : waiter {
    std::size_t needed = 0;
    acquired outcome = acquired::not_yet;
};

template <unsigned PermitBits>
class EDDY_API semaphore_state {
public:
    using word = std::uint64_t;

    static constexpr word waiting = 1;
    static constexpr word closed = 2;
    static constexpr word mark = 4;
    static constexpr word one = 8;
    static constexpr unsigned extra_shift = 3 + PermitBits;
    static constexpr std::size_t max_permits = (std::size_t{1} << PermitBits) - 1;
    static_assert(extra_shift <= 64 && PermitBits < std::numeric_limits<std::size_t>::digits);

    [[nodiscard]] static constexpr std::size_t permits(word now) noexcept { return (now / one) & max_permits; }

    explicit semaphore_state(std::size_t permits) noexcept : word_(permits * one) {}
    semaphore_state(const semaphore_state&) = delete;
    semaphore_state& operator=(const semaphore_state&) = delete;
    /// Ends the program if somebody waits.
    ~semaphore_state() {
        // relaxed: whoever destroys it is the last to use it.
        if ((word_.load(std::memory_order_relaxed) & waiting) != 0) destroyed_too_early();
    }

    /// Takes `count` at once, or none. Zero are always there.
    [[nodiscard]] acquired try_acquire(std::size_t count) noexcept {
        // relaxed, also below where it fails: that there are none says nothing about what else happened.
        word now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & closed) != 0) return saw_closed();
            if (!fits(now, count)) return acquired::not_yet;
            // acquire: pairs with release(); what was done with the permits before is seen.
        } while (
            !word_.compare_exchange_weak(now, now - count * one, std::memory_order_acquire, std::memory_order_relaxed));
        return acquired::yes;
    }

    /// Takes `count`, or puts `who` at the end of the list, with a copy of `wake`.
    [[nodiscard]] acquired acquire_or_wait(std::size_t count, permit_waiter& who, const waker& wake) noexcept;
    /// For one that acquire_or_wait() has put there: what has become of it. After an answer it is in no list.
    [[nodiscard]] acquired poll_again(permit_waiter& who, const waker& wake) noexcept;
    /// For one that acquire_or_wait() has put there, and that wants nothing any more: what it was given meanwhile goes
    /// to the next. True if it had been given what it waited for.
    bool leave(permit_waiter& who) noexcept;

    /// Gives `count` back, or adds them. False, and nothing is changed, if there would be more than max_permits.
    bool release(std::size_t count) noexcept {
        // relaxed: nothing is read through it; give() looks again.
        word now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & waiting) != 0 || count > max_permits - permits(now)) return give(count);
            // release: pairs with try_acquire() and the rest; who takes them next sees what their holder did.
        } while (
            !word_.compare_exchange_weak(now, now + count * one, std::memory_order_release, std::memory_order_relaxed));
        return true;
    }

    /// Takes up to `count` out for good; how many it were.
    std::size_t forget(std::size_t count) noexcept;

    /// For good: all who wait hear of it, and nobody gets a permit any more.
    void close() noexcept;

    [[nodiscard]] bool is_closed() const noexcept {
        // acquire: pairs with close(); who sees it closed sees what came before.
        return (word_.load(std::memory_order_acquire) & closed) != 0;
    }
    /// relaxed: a number that may have changed already.
    [[nodiscard]] std::size_t available() const noexcept { return permits(word_.load(std::memory_order_relaxed)); }

protected:
    /// Whether a newcomer may take so many.
    [[nodiscard]] static constexpr bool fits(word now, std::size_t count) noexcept {
        return count == 0 || ((now & waiting) == 0 && permits(now) >= count);
    }

    /// The answer to who has found it closed by a relaxed load.
    [[nodiscard]] acquired saw_closed() const noexcept {
        static_cast<void>(is_closed());  // for its acquire
        return acquired::closed;
    }

    atomic<word> word_;

private:
    [[noreturn]] static void destroyed_too_early() noexcept;

    bool give(std::size_t count) noexcept;
    bool serve(word now, std::size_t more, wake_list& woken) noexcept;

    spin_lock lock_;
    waiter_list<permit_waiter> waiters_;
};

extern template class semaphore_state<30>;
extern template class semaphore_state<60>;

/// What stands behind semaphore, mutex and rwlock.
using permit_state = semaphore_state<60>;

}  // namespace eddy::detail
