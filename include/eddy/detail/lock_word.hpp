// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/yield_thread.hpp>

namespace eddy::detail {

/// An atomic word whose lowest bit is a spin lock. The lock guards the word and data next to it. While the lock is
/// free, any thread changes the word with replace(). While it is held, only the holder changes the word, with set() or
/// unlock_as(). So a thread that takes the lock and changes the word needs one read-modify-write instead of two.
/// Satisfies BasicLockable.
/// Thread safety: any thread.
class lock_word {
public:
    using value_type = std::uint64_t;
    /// Values are multiples of this: the lower bit is the lock.
    static constexpr value_type unit = 2;

    constexpr explicit lock_word(value_type start) noexcept : word_(start) {}

    /// Returns the value without the lock bit. If another thread holds the lock, the value may be about to change.
    [[nodiscard]] value_type load(std::memory_order order) const noexcept { return word_.load(order) & ~held; }
    /// Returns the word with the lock bit, for replace().
    [[nodiscard]] value_type snapshot(std::memory_order order) const noexcept { return word_.load(order); }
    [[nodiscard]] static bool is_held(value_type snapshot) noexcept { return (snapshot & held) != 0; }

    /// Replaces `expected` with `next`. Returns false, and stores the present word in `expected`, if the word differs;
    /// may fail spuriously. `order` applies to success.
    /// Preconditions: `expected` is a snapshot in which the lock is free.
    bool replace(value_type& expected, value_type next, std::memory_order order) noexcept {
        // relaxed on failure: only the word is used, for the next attempt.
        return word_.compare_exchange_weak(expected, next, order, std::memory_order_relaxed);
    }

    void lock() noexcept {
#ifdef EDDY_EXPLORE
        instead_of_spinning_.lock();
#endif
        // acquire: pairs with the release in unlock_as(), for the data that the lock guards; and with the release in
        // replace(), for what its callers wrote before they changed the word. A fetch_or of the bit that is set already
        // changes nothing, so the holder may still use plain stores.
        while (is_held(word_.fetch_or(held, std::memory_order_acquire))) yield_thread();
    }
    void unlock() noexcept {
        // relaxed: only the holder changes the value, and this thread is the holder.
        unlock_as(load(std::memory_order_relaxed));
    }
    /// Sets the value and releases the lock with one store.
    /// Preconditions: the caller holds the lock.
    void unlock_as(value_type next) noexcept {
        // release: pairs with the acquire in lock(), and in load() and snapshot() if the caller chose it.
        word_.store(next, std::memory_order_release);
#ifdef EDDY_EXPLORE
        instead_of_spinning_.unlock();
#endif
    }
    /// Sets the value and keeps the lock.
    /// Preconditions: the caller holds the lock.
    void set(value_type next) noexcept {
        // release: pairs with an acquire in load() or snapshot(); a thread that reads the value without the lock sees
        // what the caller wrote before.
        word_.store(next | held, std::memory_order_release);
    }

private:
    static constexpr value_type held = 1;

    atomic<value_type> word_;
#ifdef EDDY_EXPLORE
    mutex instead_of_spinning_;  // a spinning thread has infinitely many interleavings, which are all equivalent
#endif
};

}  // namespace eddy::detail
