// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// The head of a list and the spin lock of that list, in one word.
///
///     word             meaning
///     0                unlocked, the list is empty
///     the head         unlocked
///     1                locked; the thread with the lock has the head
///
/// So a thread sees without the lock that the list is empty and that no thread is inside of lock() and unlock(): then
/// the threads that emptied the list do not access this object any more, and it may be destroyed.
/// Cost: lock() is one atomic exchange, unlock() one store, is_empty() one load.
template <class T>
class locked_head {
public:
    /// Waits for the lock. Returns the head, null if the list is empty.
    [[nodiscard]] T* lock() noexcept {
        for (;;) {
            // acquire: pairs with the release in unlock().
            const std::uintptr_t before = word_.exchange(locked, std::memory_order_acquire);
            // SAFETY: other values than `locked` are heads, which unlock() has stored.
            if (before != locked) return reinterpret_cast<T*>(before);  // NOLINT(performance-no-int-to-ptr)
            yield_thread();
        }
    }
    /// Releases the lock and sets the head.
    void unlock(T* head) noexcept {
        // release: pairs with the acquire in lock() and is_empty().
        word_.store(reinterpret_cast<std::uintptr_t>(head), std::memory_order_release);
    }
    /// Returns whether the list is empty and unlocked.
    [[nodiscard]] bool is_empty() const noexcept {
        // acquire: pairs with the release in unlock(). What was done under the lock, and before it, is visible.
        return word_.load(std::memory_order_acquire) == 0;
    }

    // ---- Instead of the lock, if only one thread uses the list ----
    [[nodiscard]] T* get() const noexcept {
        // relaxed: one thread. SAFETY: as in lock().
        return reinterpret_cast<T*>(word_.load(std::memory_order_relaxed));  // NOLINT(performance-no-int-to-ptr)
    }
    void set(T* head) noexcept { word_.store(reinterpret_cast<std::uintptr_t>(head), std::memory_order_relaxed); }

private:
    static constexpr std::uintptr_t locked = 1;  // no address of a T

    atomic<std::uintptr_t> word_{0};
};

}  // namespace eddy::detail
