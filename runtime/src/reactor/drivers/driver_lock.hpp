// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>

namespace eddy::detail {

/// The right to run a driver tick. A try-lock, because its holder may sleep in the driver. Another thread can run a
/// tick for an owner that is busy, and does not disturb an owner that sleeps.
///
///                     lock(), by the owner
///               +--------------------------------> mark ---------------+
///               |                                                      |
///     unlocked -+     try_lock_for_owner()                             +- unlock() --> unlocked
///               +--------------------------------> mark | for_owner ---+
///               |     try_close()
///               +--------------------------------> closed, for good
///
///     state              meaning
///     mark               the thread with that mark is in tick() and may sleep
///     mark | for_owner   that thread runs a tick for the owner and never sleeps
///     closed             the driver is shut down
class driver_lock {
public:
    enum class outcome { locked, is_closed, is_held_here, is_busy };

    /// Locks for the owner. Waits briefly if another thread runs a tick for the owner. `is_busy`: another thread is in
    /// tick().
    [[nodiscard]] outcome lock() noexcept {
        for (;;) {
            const word holder = store_if_unlocked(this_mark());
            if (holder == unlocked) return outcome::locked;
            if (holder == closed) return outcome::is_closed;
            if ((holder & ~for_owner) == this_mark()) return outcome::is_held_here;
            if ((holder & for_owner) == 0) return outcome::is_busy;
            yield_thread();  // the other thread runs a single tick and does not sleep
        }
    }
    /// Locks for a tick that is run for the owner. Callable on any thread.
    [[nodiscard]] bool try_lock_for_owner() noexcept { return store_if_unlocked(this_mark() | for_owner) == unlocked; }
    void unlock() noexcept {
        // release: pairs with the acquire in store_if_unlocked(), so that the next tick sees what this tick did.
        word_.store(unlocked, std::memory_order_release);
    }

    /// Locks permanently. Returns false while another thread has the lock, or if it is closed.
    [[nodiscard]] bool try_close() noexcept { return store_if_unlocked(closed) == unlocked; }
    /// Locks permanently in a forked child: the thread that had the lock has stayed in the parent.
    void close_in_child() noexcept {
        word_.store(closed, std::memory_order_relaxed);  // relaxed: only the value is used
    }

    /// Returns whether this thread has the lock.
    [[nodiscard]] bool is_held_here() const noexcept {
        // relaxed: compared with this thread's own mark, which only this thread stores.
        return (word_.load(std::memory_order_relaxed) & ~for_owner) == this_mark();
    }

private:
    using word = std::uintptr_t;
    static constexpr word unlocked = 0;
    static constexpr word for_owner = 1;  // marks are addresses of aligned objects
    static constexpr word closed = ~word{0};

    /// SAFETY: the address is only compared.
    [[nodiscard]] static word this_mark() noexcept { return reinterpret_cast<word>(this_thread_mark()); }

    /// Stores `mine` if the lock is unlocked. Returns the former value.
    [[nodiscard]] word store_if_unlocked(word mine) noexcept {
        word before = unlocked;
        // acquire: pairs with the release in unlock(). relaxed on failure: only the value is used.
        word_.compare_exchange_strong(before, mine, std::memory_order_acquire, std::memory_order_relaxed);
        return before;
    }

    atomic<word> word_{unlocked};
};

}  // namespace eddy::detail
