// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// The runnable tasks of one worker: a ring of fixed size, `Capacity` unless a test wants less. The owner pushes at the
/// tail and pops from the head. Thieves take the older half from the head.
///
/// Source: Go's runtime (runqput, runqget and runqgrab in proc.go). A thread that takes items copies them first, and
/// then moves the head with a compare-exchange. So a delayed thief delays no other thread. An entry is overwritten only
/// after the head has passed it, so the copies are valid if the head has not moved.
/// Departures:
/// - The indices have 64 bits, so the head cannot wrap to an old value during a copy.
/// - A full ring refuses the item, which then goes to the injection queue. Go moves the older half there instead, so
///   that a task that spawns without end would overtake the tasks that were queued before.
///
///     head   index of the oldest item; moved by the owner and thieves
///     tail   index after the newest item; moved by the owner only
///
/// Thread safety: push(), room() and pop() on the owner's thread, steal_into() on a thief's, size() on any.
template <class T, std::size_t Capacity>
class run_queue : immovable {
    static_assert((Capacity & (Capacity - 1)) == 0 && Capacity >= 2, "the capacity must be a power of two");

public:
    /// Preconditions: `capacity` is a power of two, and at most `Capacity`.
    explicit run_queue(std::uint64_t first_index = 0, std::size_t capacity = Capacity) noexcept
        : head_(first_index), tail_(first_index), mask_(capacity - 1) {}

    /// Returns the number of items. Exact on the owner's thread while no thief is active.
    [[nodiscard]] std::size_t size() const noexcept {
        // acquire: keeps the order of the two loads. The head is the older value, so the difference cannot be negative.
        const std::uint64_t head = head_.load(std::memory_order_acquire);
        const std::uint64_t tail = tail_.load(std::memory_order_acquire);
        return tail - head;
    }
    [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

    /// Appends an item. Returns false if the ring is full.
    [[nodiscard]] bool push(T* item) noexcept {
        // relaxed: only the owner writes the tail.
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        // acquire: pairs with the release in pop() and steal_into(). Their copies precede the reuse of the entry.
        if (tail - head_.load(std::memory_order_acquire) > mask_) return false;
        // relaxed: published by the store of the tail.
        slot(tail).store(item, std::memory_order_relaxed);
        // release: pairs with the acquire in steal_into(), which reads the entry and the task.
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    /// Returns the spare capacity: at least this many calls of push() will succeed.
    [[nodiscard]] std::size_t room() const noexcept {
        // relaxed: only the owner writes the tail. acquire: as in push(), which relies on this result.
        return mask_ + 1 - (tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_acquire));
    }

    /// Removes the oldest item. Returns null if the ring is empty.
    [[nodiscard]] T* pop() noexcept {
        // relaxed: the owner wrote the tail and the entries itself. The compare-exchange validates the head.
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        std::uint64_t head = head_.load(std::memory_order_relaxed);
        while (head != tail) {
            T* const item = slot(head).load(std::memory_order_relaxed);
            // release: pairs with the acquire in push(), which reuses the entry. No acquire: the owner pushed the item.
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_release, std::memory_order_relaxed)) {
                // Loads the next task into the cache while the caller runs this one. relaxed: only a hint.
                __builtin_prefetch(slot(head + 1).load(std::memory_order_relaxed), 1);
                return item;
            }
        }
        return nullptr;
    }

    /// Moves the older half of this ring into `own`. Returns one of the moved items, which is then in no ring; null if
    /// there was none.
    /// Preconditions: the caller owns `own`, and `own` is empty.
    [[nodiscard]] T* steal_into(run_queue& own) noexcept {
        // acquire: pairs with the release of a thief that has stolen from `own`. Its copies precede the reuse of the
        // entries below. The caller may know that `own` is empty from pop(), which loads the head relaxed.
        static_cast<void>(own.head_.load(std::memory_order_acquire));
        // acquire: keeps this load before the load of the tail, so that head <= tail.
        std::uint64_t head = head_.load(std::memory_order_acquire);
        for (;;) {
            // acquire: pairs with the release in push(). The entries up to the tail and their tasks are visible.
            const std::uint64_t tail = tail_.load(std::memory_order_acquire);
            const std::uint64_t available = tail - head;
            if (available == 0) return nullptr;
            // The head is stale: items were taken and pushed between the two loads.
            if (available > mask_ + 1) {
                head = head_.load(std::memory_order_acquire);
                continue;
            }
            const std::uint64_t count = available - available / 2;
            const std::uint64_t own_tail =
                own.tail_.load(std::memory_order_relaxed);  // relaxed: written by this thread
            // relaxed: the compare-exchange validates the copies, and the store of own.tail_ publishes them.
            for (std::uint64_t i = 1; i < count; ++i) {
                own.slot(own_tail + i - 1)
                    .store(slot(head + i).load(std::memory_order_relaxed), std::memory_order_relaxed);
            }
            T* const first = slot(head).load(std::memory_order_relaxed);
            // release: pairs with the acquire in push() of the victim, which reuses the entries.
            // acquire: as for the first load of the head, also on failure.
            if (head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel, std::memory_order_acquire)) {
                // release: pairs with the acquire of a thief that steals from `own`, as in push().
                own.tail_.store(own_tail + count - 1, std::memory_order_release);
                return first;
            }
        }
    }

private:
    [[nodiscard]] atomic<T*>& slot(std::uint64_t index) noexcept { return slots_[index & mask_]; }

    alignas(64) atomic<std::uint64_t> head_;
    alignas(64) atomic<std::uint64_t> tail_;
    const std::uint64_t mask_;
    std::array<atomic<T*>, Capacity> slots_{};
};

}  // namespace eddy::detail
