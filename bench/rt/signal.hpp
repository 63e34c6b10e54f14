// SPDX-License-Identifier: MIT
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace bench {

/// What one thread sleeps on until another one says so: a futex, without any spinning.
class signal {
public:
    /// Wakes the one who waits, or lets the next wait() return at once.
    void set() noexcept {
        // release: pairs with the acquire in wait(), so that whoever waited sees what was written before.
        if (word_.exchange(is_set, std::memory_order_release) == is_waited_for) futex(FUTEX_WAKE_PRIVATE, INT_MAX);
    }

    /// Sleeps until set(), and clears it. For one thread.
    void wait() noexcept {
        auto seen = is_clear;
        // acquire on both ways: pairs with the exchange in set().
        if (word_.compare_exchange_strong(seen, is_waited_for, std::memory_order_acquire)) {
            do {
                futex(FUTEX_WAIT_PRIVATE, is_waited_for);
            } while (word_.load(std::memory_order_acquire) == is_waited_for);
        }
        // relaxed: what the next set() publishes is read after the next wait() only.
        word_.store(is_clear, std::memory_order_relaxed);
    }

private:
    static constexpr std::uint32_t is_clear = 0;
    static constexpr std::uint32_t is_set = 1;
    static constexpr std::uint32_t is_waited_for = 2;

    void futex(int operation, std::uint32_t value) noexcept {
        ::syscall(SYS_futex, &word_, operation, value, nullptr, nullptr, 0);
    }

    // The kernel looks at it as at a plain word.
    std::atomic<std::uint32_t> word_ = is_clear;
    static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
};

}  // namespace bench
