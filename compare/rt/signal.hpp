// SPDX-License-Identifier: MIT
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace bench {

/// A futex on which one thread sleeps until another thread sets it. It does not spin.
class signal {
public:
    /// Wakes the waiting thread, or makes the next wait() return immediately.
    void set() noexcept {
        // release: pairs with the acquires in wait(), so that the waiting thread sees the writes before set().
        if (word_.exchange(is_set, std::memory_order_release) == is_waited_for) futex(FUTEX_WAKE_PRIVATE, INT_MAX);
    }

    /// Sleeps until set(), then clears the signal.
    /// Thread safety: only one thread may wait.
    void wait() noexcept {
        auto seen = is_clear;
        // acquire on both paths: pairs with the exchange in set().
        if (word_.compare_exchange_strong(seen, is_waited_for, std::memory_order_acquire)) {
            do {
                futex(FUTEX_WAIT_PRIVATE, is_waited_for);
            } while (word_.load(std::memory_order_acquire) == is_waited_for);
        }
        // relaxed: this store publishes no other data. Data of the next set() is read only after the next wait().
        word_.store(is_clear, std::memory_order_relaxed);
    }

private:
    static constexpr std::uint32_t is_clear = 0;
    static constexpr std::uint32_t is_set = 1;
    static constexpr std::uint32_t is_waited_for = 2;

    void futex(int operation, std::uint32_t value) noexcept {
        ::syscall(SYS_futex, &word_, operation, value, nullptr, nullptr, 0);
    }

    // The kernel reads the atomic as a plain 32-bit word.
    std::atomic<std::uint32_t> word_ = is_clear;
    static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
};

}  // namespace bench
