// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/yield_thread.hpp>

namespace eddy::detail {

/// A word whose lowest bit is a lock for the word itself and for what lies beside it. Satisfies BasicLockable.
/// While it is free, anybody changes the word by replace(); while it is held, only the holder does, by set(). So who
/// takes the lock to change the word too has one read-modify-write, and not two.
class lock_word {
public:
    using value_type = std::uint64_t;
    /// The bits below this one are the lock's: values are multiples of it.
    static constexpr value_type unit = 2;

    constexpr explicit lock_word(value_type start) noexcept : word_(start) {}

    /// The value, which the holder of the lock may be about to change.
    [[nodiscard]] value_type load(std::memory_order order) const noexcept { return word_.load(order) & ~held; }
    /// The word as it is, for replace().
    [[nodiscard]] value_type snapshot(std::memory_order order) const noexcept { return word_.load(order); }
    [[nodiscard]] static bool is_held(value_type snapshot) noexcept { return (snapshot & held) != 0; }

    /// Puts `next` in place of `expected`, a snapshot that is not held; if it has changed, `expected` is what it is
    /// now.
    bool replace(value_type& expected, value_type next, std::memory_order order) noexcept {
        return word_.compare_exchange_weak(expected, next, order, std::memory_order_relaxed);
    }

    void lock() noexcept {
#ifdef EDDY_EXPLORE
        instead_of_spinning_.lock();
#endif
        // acquire: pairs with the release in unlock(), set() and replace(): all that changed the word before is seen.
        while (is_held(word_.fetch_or(held, std::memory_order_acquire))) yield_thread();
    }
    void unlock() noexcept {
        // relaxed: nobody else changes it now.
        unlock_as(load(std::memory_order_relaxed));
    }
    /// Sets the value and gives the lock back, as one.
    void unlock_as(value_type next) noexcept {
        word_.store(next, std::memory_order_release);  // pairs with the acquire in lock(), load() and snapshot()
#ifdef EDDY_EXPLORE
        instead_of_spinning_.unlock();
#endif
    }
    /// Precondition: the caller holds the lock.
    /// Who reads the word without the lock sees what the caller wrote before this.
    void set(value_type next) noexcept {
        word_.store(next | held, std::memory_order_release);  // pairs with the acquire of load() and snapshot()
    }

private:
    static constexpr value_type held = 1;

    atomic<value_type> word_;
#ifdef EDDY_EXPLORE
    mutex instead_of_spinning_;  // who spins has no end of interleavings, and all of them say the same
#endif
};

}  // namespace eddy::detail
