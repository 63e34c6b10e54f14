// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/call_site.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/waiter_list.hpp>
#include <eddy/future/waker.hpp>

// Permits and their waiters: the state of semaphore, mutex, rwlock and the bounded channel. One word:
//
//     bit  name       changed by           meaning
//     0    waiting    the lock's holder    the list is not empty
//     1    closed     close()              permanent: there are no more waiters, and no permits are taken
//     2    mark       the derived class    defined by the derived class (channel: the receiver waits)
//     3..  permits    see below            the number of free permits
//     top  extra      the derived class    defined by the derived class (channel: the tail); may wrap around
//
// While `waiting` is clear, permits are taken and released by one compare-exchange, without the lock.
//
// While `waiting` is set, `permits` only changes under the lock. A task that needs permits is appended to the list. A
// task that releases permits serves the list from its front. So waiters are served in FIFO order, and a large request
// at the front blocks smaller requests behind it; otherwise it could starve. Permits that do not suffice for the first
// waiter stay in the word. The permits assigned to a waiter are removed from the word immediately. If the waiter leaves
// before it has seen its permits, it releases them.
//
// Each change of the word is one read-modify-write, also under the lock, because `mark` and `extra` change without it.

namespace eddy::detail {

/// The result of an attempt to acquire permits.
enum class acquired : std::uint8_t { yes, not_yet, closed };

/// A waiter for permits. The state's lock guards all members while the waiter is in the list; otherwise the waiter's
/// owner may use them.
struct permit_waiter : waiter {
    std::size_t needed = 0;
    acquired outcome = acquired::not_yet;
    call_site polled_at = nullptr;  // the await that polled first, for the message if the semaphore is destroyed
};

/// A semaphore whose word has `PermitBits` bits for permits. The derived class may use the remaining bits.
/// Thread safety: any thread.
template <unsigned PermitBits>
class EDDY_API semaphore_state : immovable {
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
    /// Aborts if there are waiters.
    ~semaphore_state() {
        // relaxed: the destroying thread is the last user, and already synchronizes with the other users.
        if ((word_.load(std::memory_order_relaxed) & waiting) != 0) [[unlikely]]
            destroyed_too_early(
                "a semaphore, mutex, rwlock or channel was destroyed while a task waits for it: keep it until its "
                "futures are gone");
    }
    /// Aborts with `text` unless exactly `count` permits are free. A permit that is not free is held, or is assigned to
    /// a waiter that has not seen it yet. For the destructor of the owner of this state, and not for channels.
    void check_all_free(std::size_t count, const char* text) const noexcept {
        // relaxed: as in the destructor.
        if (permits(word_.load(std::memory_order_relaxed)) != count) [[unlikely]]
            destroyed_too_early(text);
    }

    /// Takes `count` permits, or none. A request for 0 permits succeeds unless closed.
    [[nodiscard]] acquired try_acquire(std::size_t count) noexcept {
        // relaxed, also on failure: the value publishes no other data. saw_closed() does the acquire.
        word now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & closed) != 0) return saw_closed();
            if (!fits(now, count)) return acquired::not_yet;
            // acquire: pairs with release(). What the previous holders of the permits did is visible.
        } while (
            !word_.compare_exchange_weak(now, now - count * one, std::memory_order_acquire, std::memory_order_relaxed));
        return acquired::yes;
    }

    /// Takes `count` permits, or appends `entry` to the list with a clone of `wake`.
    [[nodiscard]] acquired acquire_or_wait(std::size_t count, permit_waiter& entry, const waker& wake) noexcept;
    /// Returns the outcome of a waiter that acquire_or_wait() has appended. Unless it is `not_yet`, it is in no list.
    [[nodiscard]] acquired poll_again(permit_waiter& entry, const waker& wake) noexcept;
    /// Removes a waiter that acquire_or_wait() has appended. Permits that were assigned to it are released. Returns
    /// true if it had been assigned its permits.
    bool leave(permit_waiter& entry) noexcept;

    /// Releases or adds `count` permits. Returns false, without a change, if there would be more than max_permits.
    bool release(std::size_t count) noexcept {
        // relaxed: the value publishes no other data. give() loads it again.
        word now = word_.load(std::memory_order_relaxed);
        do {
            if ((now & waiting) != 0 || count > max_permits - permits(now)) return give(count);
            // release: pairs with the acquire in try_acquire() and other takers. The next holder of the permits sees
            // what the caller did before.
        } while (
            !word_.compare_exchange_weak(now, now + count * one, std::memory_order_release, std::memory_order_relaxed));
        return true;
    }

    /// Removes up to `count` permits permanently. Returns their number.
    std::size_t forget(std::size_t count) noexcept;

    /// Closes the semaphore permanently. Wakes all waiters with the outcome `closed`.
    void close() noexcept;

    [[nodiscard]] bool is_closed() const noexcept {
        // acquire: pairs with the release in close().
        return (word_.load(std::memory_order_acquire) & closed) != 0;
    }
    // relaxed: a reported count, which may be stale.
    [[nodiscard]] std::size_t available() const noexcept { return permits(word_.load(std::memory_order_relaxed)); }

protected:
    friend struct debug_offsets;

    /// Returns whether a new request for `count` permits can be met immediately.
    [[nodiscard]] static constexpr bool fits(word now, std::size_t count) noexcept {
        return count == 0 || ((now & waiting) == 0 && permits(now) >= count);
    }

    /// Returns `closed`, for a caller that has seen the bit by a relaxed load.
    [[nodiscard]] acquired saw_closed() const noexcept {
        static_cast<void>(is_closed());  // its acquire pairs with close()
        return acquired::closed;
    }

    atomic<word> word_;

private:
    /// Ends the program with `text`, and with the location of an await if a task waits.
    [[noreturn]] void destroyed_too_early(const char* text) const noexcept;

    bool give(std::size_t count) noexcept;
    bool serve(word now, std::size_t more, wake_list& woken) noexcept;

    spin_lock lock_;
    waiter_list<permit_waiter> waiters_;
};

extern template class semaphore_state<30>;
extern template class semaphore_state<60>;

/// The state of semaphore, mutex and rwlock.
using permit_state = semaphore_state<60>;

}  // namespace eddy::detail
