// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// A lock for readers and writers, for a value that users look at under it, as long as they like. Threads that have to
/// wait sleep, after a few tries. Readers come before writers that wait: so a thread that reads may begin to read once
/// more, whoever waits. It is left on any thread.
///
///     word   bit 0: a writer has it    bit 1: somebody sleeps    the rest: how many readers have it
class EDDY_API value_lock {
public:
    value_lock() noexcept = default;
    value_lock(const value_lock&) = delete;
    value_lock& operator=(const value_lock&) = delete;

    void lock() noexcept {
        word now = 0;
        // acquire: pairs with the release in unlock() and unlock_shared().
        if (!word_.compare_exchange_strong(now, writes, std::memory_order_acquire, std::memory_order_relaxed))
            wait_for(&value_lock::try_lock);
    }
    void unlock() noexcept {
        // release: pairs with the acquire of whoever has it next, which sees the value as it was left.
        if ((word_.fetch_and(~(writes | sleeps), std::memory_order_release) & sleeps) != 0) wake();
    }
    void lock_shared() noexcept {
        if (!try_lock_shared()) wait_for(&value_lock::try_lock_shared);
    }
    void unlock_shared() noexcept {
        // release: pairs with the acquire in lock(): who changes the value comes after those who have read it.
        const word after = word_.fetch_sub(reader, std::memory_order_release) - reader;
        if (after == sleeps) wake_writers();
    }

private:
    using word = std::uint32_t;
    static constexpr word writes = 1;
    static constexpr word sleeps = 2;
    static constexpr word reader = 4;

    bool try_lock() noexcept;
    bool try_lock_shared() noexcept;
    void wait_for(bool (value_lock::*taken)() noexcept) noexcept;
    void wake() noexcept;
    void wake_writers() noexcept;

    atomic<word> word_{0};
    mutex mutex_;
    condition_variable left_;
};

}  // namespace eddy::detail
