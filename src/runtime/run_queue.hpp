// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// One worker's runnable tasks: a fixed ring. Its owner pushes at the tail and takes from the head; thieves take the
/// older half from the head.
///
/// From Go's runtime (runqput, runqget, runqgrab; proc.go): whoever takes copies first and then moves the head by a
/// compare-exchange, so that a thief that is held up holds up nobody. An entry is not overwritten before the head has
/// passed it, so a copy is right if the head has not moved.
/// Departures: the indices have 64 bits, so that a head cannot come round to an old value while somebody copies; and a
/// full ring refuses (the newest goes to the injection queue) in place of giving its older half away, since that, done
/// again and again by a task that spawns for ever, overtakes what was queued before (R032).
///
///     head   taken up to here: by owner and thieves       tail   pushed up to here: by the owner alone
template <class T, std::size_t Capacity>
class run_queue {
    static_assert((Capacity & (Capacity - 1)) == 0 && Capacity >= 2, "so that an index wraps by a mask");

public:
    explicit run_queue(std::uint64_t first_index = 0) noexcept : head_(first_index), tail_(first_index) {}
    run_queue(const run_queue&) = delete;
    run_queue& operator=(const run_queue&) = delete;

    /// How many there are: exact for the owner while nobody steals.
    [[nodiscard]] std::size_t size() const noexcept {
        // acquire, head first: a head that is older than the tail gives too many, never fewer than none.
        const std::uint64_t head = head_.load(std::memory_order_acquire);
        const std::uint64_t tail = tail_.load(std::memory_order_acquire);
        return tail - head;
    }
    [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

    /// Owner. False if the ring is full.
    [[nodiscard]] bool push(T* item) noexcept {
        // relaxed: the owner's own.
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        // acquire: pairs with the release in pop() and steal(): their copies were made before the slot is used again.
        if (tail - head_.load(std::memory_order_acquire) >= Capacity) return false;
        slot(tail).store(item, std::memory_order_relaxed);
        // release: pairs with the acquire in steal(), which reads the slot.
        tail_.store(tail + 1, std::memory_order_release);
        return true;
    }

    /// Owner. How many push() would take now, at least.
    [[nodiscard]] std::size_t room() const noexcept {
        // acquire: as in push(), which trusts this.
        return Capacity - (tail_.load(std::memory_order_relaxed) - head_.load(std::memory_order_acquire));
    }

    /// Owner. The oldest, or null.
    [[nodiscard]] T* pop() noexcept {
        const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
        std::uint64_t head = head_.load(std::memory_order_relaxed);
        while (head != tail) {
            T* const item = slot(head).load(std::memory_order_relaxed);
            // release: pairs with the acquire in push(), which uses the slot again. The item's contents are the owner's
            // to see: it pushed them.
            if (head_.compare_exchange_weak(head, head + 1, std::memory_order_release, std::memory_order_relaxed)) {
                // Into the cache while the caller runs this one: tasks lie all over the memory.
                __builtin_prefetch(slot(head + 1).load(std::memory_order_relaxed), 1);
                return item;
            }
        }
        return nullptr;
    }

    /// A thief, with an empty ring of his own, into which he takes the older half. One of those is returned, and is in
    /// no ring; null if there was nothing.
    [[nodiscard]] T* steal_into(run_queue& own) noexcept {
        // acquire: pairs with the release in steal_into() of whoever has stolen from here: his copies were made before
        // the slots are used again. (As in push(); that the ring is empty the thief may know from pop(), whose look is
        // relaxed.)
        static_cast<void>(own.head_.load(std::memory_order_acquire));
        // acquire: ordered before the load of the tail, so that head <= tail.
        std::uint64_t head = head_.load(std::memory_order_acquire);
        for (;;) {
            // acquire: pairs with the release in push(): slots up to here are written, and their tasks as well.
            const std::uint64_t tail = tail_.load(std::memory_order_acquire);
            const std::uint64_t available = tail - head;
            if (available == 0) return nullptr;
            // The head is older than the tail: somebody has taken much in between.
            if (available > Capacity) {
                head = head_.load(std::memory_order_acquire);
                continue;
            }
            const std::uint64_t count = available - available / 2;
            const std::uint64_t own_tail = own.tail_.load(std::memory_order_relaxed);
            for (std::uint64_t i = 1; i < count; ++i) {
                own.slot(own_tail + i - 1)
                    .store(slot(head + i).load(std::memory_order_relaxed), std::memory_order_relaxed);
            }
            T* const first = slot(head).load(std::memory_order_relaxed);
            // acq_rel: release, as in pop(); acquire on failure, as at the top.
            if (head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel, std::memory_order_acquire)) {
                // release: as in push().
                own.tail_.store(own_tail + count - 1, std::memory_order_release);
                return first;
            }
        }
    }

private:
    [[nodiscard]] atomic<T*>& slot(std::uint64_t index) noexcept { return slots_[index & (Capacity - 1)]; }

    alignas(64) atomic<std::uint64_t> head_;
    alignas(64) atomic<std::uint64_t> tail_;
    std::array<atomic<T*>, Capacity> slots_{};
};

}  // namespace eddy::detail
