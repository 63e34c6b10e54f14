// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// A readers-writer lock for a value that user code accesses under it, possibly for a long time. Waiting threads block
/// after a few attempts. Readers take precedence over waiting writers, so a thread that holds a read lock may take
/// another one. The lock may be released on any thread.
///
///     word   bit 0: held by a writer    bit 1: threads are blocked    the rest: the number of readers
///
/// Thread safety: any thread.
class EDDY_API value_lock {
public:
    value_lock() noexcept = default;
    value_lock(const value_lock&) = delete;
    value_lock& operator=(const value_lock&) = delete;

    /// Takes the lock for writing.
    void lock() noexcept {
        word now = 0;
        // acquire: pairs with the release in unlock() and unlock_shared(). relaxed on failure: try_lock() loads again.
        if (!word_.compare_exchange_strong(now, writes, std::memory_order_acquire, std::memory_order_relaxed))
            wait_for(&value_lock::try_lock);
    }
    void unlock() noexcept {
        // release: pairs with the acquire in lock() and lock_shared(). The next holder sees the value.
        if ((word_.fetch_and(~(writes | sleeps), std::memory_order_release) & sleeps) != 0) wake();
    }
    /// Takes the lock for reading.
    void lock_shared() noexcept {
        if (!try_lock_shared()) wait_for(&value_lock::try_lock_shared);
    }
    void unlock_shared() noexcept {
        // release: pairs with the acquire in lock(). These reads happen before the next writer's changes.
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
