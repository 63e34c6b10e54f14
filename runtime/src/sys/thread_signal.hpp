// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "sys/word_wait.hpp"

namespace eddy::sys {

/// A signal that ends the wait of one thread, the owner.
///
///     state      transitions
///     clear      wait_until(): to sleeping                          set(): to set, which needs no wake-up
///     sleeping   wait_until(), at the deadline: to clear            set(): to set; the caller then calls wake()
///     set        reset(): to clear
///
/// The two halves of a notification are separate, so that set() can be called under a lock, and wake(), the system
/// call, after it. A condition variable would need one more system call per wait: glibc takes its mutex as contended at
/// the end of the wait, so the next unlock calls futex(2) although no thread waits.
///
/// Thread safety: reset() and wait_until() on the owner's thread; is_set(), set() and wake() on any thread.
class thread_signal {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Clears the signal. What was written before each set() that it clears is visible afterwards.
    void reset() noexcept {
        // acquire: pairs with the release in set(), which may have come after the wait.
        state_.exchange(clear, std::memory_order_acquire);
    }

    [[nodiscard]] bool is_set() const noexcept {
        // acquire: pairs with the release in set().
        return state_.load(std::memory_order_acquire) == signaled;
    }

    /// Sets the signal. Returns whether the owner sleeps: the caller must call wake() then.
    [[nodiscard]] bool set() noexcept {
        // release: pairs with the acquire in is_set() and wait_until(). The load half needs no order: only the value
        // of the state is used.
        return state_.exchange(signaled, std::memory_order_release) == sleeping;
    }

    /// Ends the sleep of the owner. If the owner does not sleep any more, its next sleep_on() may end early, which
    /// wait_until() expects.
    /// Lifetime: does not access the object, which the owner may have destroyed after set().
    void wake() noexcept { wake_sleeper(state_); }

    /// Waits until the signal is set. Returns false if it is not set at `deadline`.
    [[nodiscard]] bool wait_until(time_point deadline) noexcept {
        std::uint32_t state = clear;
        // acquire: on failure, pairs with the release in set(). Success needs no order.
        if (!state_.compare_exchange_strong(state, sleeping, std::memory_order_acquire)) return true;
        for (;;) {
            const bool is_over = !sleep_on(state_, sleeping, deadline);
            if (is_set()) return true;
            if (!is_over) continue;
            state = sleeping;
            // As above. A failure means that the signal was set at the last moment.
            return !state_.compare_exchange_strong(state, clear, std::memory_order_acquire);
        }
    }

private:
    static constexpr std::uint32_t clear = 0;
    static constexpr std::uint32_t sleeping = 1;
    static constexpr std::uint32_t signaled = 2;

    sleep_word state_{clear};
};

}  // namespace eddy::sys
