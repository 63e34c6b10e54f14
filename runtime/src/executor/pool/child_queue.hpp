// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// The child queue of a worker: the children of scopes that it has started. The owner takes the newest child, so a tree
/// of scopes is walked depth first and few of its nodes are alive at a time. Thieves take the oldest child, which has
/// the largest subtree.
///
/// Source: Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005), in the form of Le, Pop, Cohen and Zappa
/// Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013).
/// Departures:
/// - The size is fixed: `Capacity`, unless a test wants less. A full queue refuses the item.
/// - A seq_cst exchange in pop() replaces the fences, because TSan does not model fences.
/// - The indices have 64 bits and do not wrap.
///
///     top_      index of the oldest item; advanced by thieves, and by the owner for the last item
///     bottom_   index after the newest item; moved by the owner only
///
/// Thread safety: push() and pop() on the owner's thread; size(), is_empty() and steal() on any.
template <class T, std::size_t Capacity>
class child_queue : immovable {
    static_assert((Capacity & (Capacity - 1)) == 0 && Capacity >= 2, "the capacity must be a power of two");

public:
    /// Preconditions: `capacity` is a power of two, and at most `Capacity`.
    explicit child_queue(std::size_t capacity = Capacity) noexcept : mask_(capacity - 1) {}

    /// Returns the number of items. May be out of date.
    [[nodiscard]] std::size_t size() const noexcept {
        // acquire: keeps the order of the two loads. No item is read.
        const std::int64_t top = top_.load(std::memory_order_acquire);
        const std::int64_t bottom = bottom_.load(std::memory_order_acquire);
        return bottom > top ? static_cast<std::size_t>(bottom - top) : 0;
    }
    [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

    /// Adds an item. Returns false if the queue is full.
    [[nodiscard]] bool push(T* item) noexcept {
        const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);  // relaxed: only the owner writes it
        // acquire: pairs with the compare-exchange in steal(). The thief's read of the entry precedes the reuse.
        if (bottom - top_.load(std::memory_order_acquire) > static_cast<std::int64_t>(mask_)) return false;
        // relaxed: published by the store of bottom_.
        slot(bottom).store(item, std::memory_order_relaxed);
        // release: pairs with the load of bottom_ in steal(), which reads the entry and the task.
        bottom_.store(bottom + 1, std::memory_order_release);
        return true;
    }

    /// Removes the newest item. Returns null if the queue is empty.
    [[nodiscard]] T* pop() noexcept {
        const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;  // relaxed: only the owner writes it
        // relaxed: saves the exchange if the queue is empty. top_ never decreases, so an old value cannot lose an item.
        if (top_.load(std::memory_order_relaxed) > bottom) return nullptr;
        // seq_cst, also for the load below and for both loads in steal(): a store-load pair. The owner stores bottom_,
        // then loads top_. A thief loads top_, then bottom_. If the thief still reads the old bottom_, the owner's load
        // returns no older top_ than the thief's. So both claim the same item only if it is the last one, and then
        // their compare-exchanges of top_ decide.
        bottom_.exchange(bottom, std::memory_order_seq_cst);
        std::int64_t top = top_.load(std::memory_order_seq_cst);
        T* item = nullptr;
        // relaxed: the owner wrote the entry itself.
        if (top <= bottom) item = slot(bottom).load(std::memory_order_relaxed);
        if (top < bottom) return item;
        // seq_cst: in one total order with the operations above. Competes with steal() for the last item.
        if (item != nullptr && !top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst)) item = nullptr;
        // relaxed: the queue is empty. A thief that reads this value and an old top_ fails in its compare-exchange.
        bottom_.store(bottom + 1, std::memory_order_relaxed);
        return item;
    }

    /// Returns whether `item` is the newest item. Another thread may have taken it, or take it later: call pop().
    /// Preconditions: called by the owner.
    [[nodiscard]] bool is_newest(const T* item) noexcept {
        // relaxed, both loads: the owner wrote them itself.
        return slot(bottom_.load(std::memory_order_relaxed) - 1).load(std::memory_order_relaxed) == item;
    }

    /// Removes the oldest item. Returns null if the queue is empty, or if another thread has taken the item.
    [[nodiscard]] T* steal() noexcept {
        // seq_cst, both loads: see pop(). The load of bottom_ is also the acquire that pairs with push().
        std::int64_t top = top_.load(std::memory_order_seq_cst);
        if (top >= bottom_.load(std::memory_order_seq_cst)) return nullptr;
        // relaxed: valid only if the compare-exchange succeeds.
        T* const item = slot(top).load(std::memory_order_relaxed);
        // seq_cst: see pop(). Also the release that pairs with the load of top_ in push().
        return top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst) ? item : nullptr;
    }

private:
    [[nodiscard]] atomic<T*>& slot(std::int64_t index) noexcept {
        return slots_[static_cast<std::size_t>(index) & mask_];
    }

    alignas(64) atomic<std::int64_t> top_{0};
    alignas(64) atomic<std::int64_t> bottom_{0};
    const std::size_t mask_;
    std::array<atomic<T*>, Capacity> slots_{};
};

}  // namespace eddy::detail
