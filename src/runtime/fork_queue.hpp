// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

/// The children of scopes that a worker has started: it takes the newest, so that a tree of scopes is walked depth
/// first and few of its nodes are alive at a time; thieves take the oldest, whose subtree is the largest.
///
/// Chase and Lev, "Dynamic Circular Work-Stealing Deque" (SPAA 2005), in the form of Le, Pop, Cohen and Zappa Nardelli,
/// "Correct and Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013).
/// Departures: the size is fixed, and a full one refuses; a sequentially consistent exchange in pop() stands for the
/// fences, which TSan does not know; indices have 64 bits and do not wrap.
///
///     top_      taken by thieves, up to here        bottom_   pushed by the owner, up to here
template <class T, std::size_t Capacity>
class fork_queue {
    static_assert((Capacity & (Capacity - 1)) == 0 && Capacity >= 2, "so that an index wraps by a mask");

public:
    fork_queue() noexcept = default;
    fork_queue(const fork_queue&) = delete;
    fork_queue& operator=(const fork_queue&) = delete;

    /// Any thread: a look.
    [[nodiscard]] std::size_t size() const noexcept {
        const std::int64_t top = top_.load(std::memory_order_acquire);
        const std::int64_t bottom = bottom_.load(std::memory_order_acquire);
        return bottom > top ? static_cast<std::size_t>(bottom - top) : 0;
    }
    [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

    /// Owner. False if it is full.
    [[nodiscard]] bool push(T* item) noexcept {
        const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);  // relaxed: the owner's own
        // acquire: pairs with the exchange in steal(): the slot was read before it is used again.
        if (bottom - top_.load(std::memory_order_acquire) >= static_cast<std::int64_t>(Capacity)) return false;
        slot(bottom).store(item, std::memory_order_relaxed);
        // release: pairs with the load of bottom_ in steal(), which reads the slot.
        bottom_.store(bottom + 1, std::memory_order_release);
        return true;
    }

    /// Owner. The newest, or null.
    [[nodiscard]] T* pop() noexcept {
        const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;
        // relaxed: only so that an empty queue costs no exchange; top_ never falls.
        if (top_.load(std::memory_order_relaxed) > bottom) return nullptr;
        // seq_cst, as are the load after it and both loads in steal(): a thief that has read the former bottom_ has
        // read top_ before that, and so this load of top_ does not give an older one. Then either it is the last item,
        // which both want by compare-exchange, or the thief is after another one.
        bottom_.exchange(bottom, std::memory_order_seq_cst);
        std::int64_t top = top_.load(std::memory_order_seq_cst);
        T* item = nullptr;
        if (top <= bottom) item = slot(bottom).load(std::memory_order_relaxed);
        if (top < bottom) return item;
        if (item != nullptr && !top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst)) item = nullptr;
        // relaxed: there is nothing that a thief could read because of it.
        bottom_.store(bottom + 1, std::memory_order_relaxed);
        return item;
    }

    /// A thief. The oldest, or null: also if somebody else was faster.
    [[nodiscard]] T* steal() noexcept {
        std::int64_t top = top_.load(std::memory_order_seq_cst);
        if (top >= bottom_.load(std::memory_order_seq_cst)) return nullptr;
        T* const item = slot(top).load(std::memory_order_relaxed);
        return top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst) ? item : nullptr;
    }

private:
    [[nodiscard]] atomic<T*>& slot(std::int64_t index) noexcept {
        return slots_[static_cast<std::size_t>(index) & (Capacity - 1)];
    }

    alignas(64) atomic<std::int64_t> top_{0};
    alignas(64) atomic<std::int64_t> bottom_{0};
    std::array<atomic<T*>, Capacity> slots_{};
};

}  // namespace eddy::detail
