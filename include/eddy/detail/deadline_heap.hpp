// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// A priority queue of deadlines for numbered slots. The earliest deadline is first; equal deadlines are in the order
/// in which they were pushed or changed.
///
/// A 4-ary heap (Johnson, Information Processing Letters 4, 1975) with the heap position of each slot. Compared with a
/// timer wheel, it is exact to the nanosecond instead of to a tick, and takes 32 bytes per slot instead of a fixed
/// 20 KB.
/// Thread safety: not synchronized; distinct objects may be used on different threads.
/// Cost: O(log n) per operation. push(), remove() and change() are O(1) on average, and whenever deadlines increase, as
/// with one timeout for all slots: most items are near the bottom of the heap.
class EDDY_API deadline_heap {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

    [[nodiscard]] bool is_empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    /// Returns the slot with the earliest deadline, and that deadline.
    /// Preconditions: the heap is not empty.
    [[nodiscard]] std::size_t first() const noexcept { return items_.front().slot; }
    [[nodiscard]] time_point first_deadline() const noexcept { return items_.front().deadline; }
    /// Returns the deadline of a slot.
    /// Preconditions: the slot is in the heap.
    [[nodiscard]] time_point deadline_of(std::size_t slot) const noexcept { return items_[places_[slot]].deadline; }

    /// Allocates memory for slots 0 to `count` - 1, so that push() does not allocate for them.
    void reserve(std::size_t count);

    /// Adds a slot.
    /// Preconditions: the slot is not in the heap.
    void push(std::size_t slot, time_point deadline);
    /// Removes a slot, or changes its deadline.
    /// Preconditions: the slot is in the heap.
    void remove(std::size_t slot) noexcept;
    void change(std::size_t slot, time_point deadline) noexcept;
    void clear() noexcept;

    /// Renumbers slot `from` as slot `to`.
    /// Preconditions: `from` is in the heap. `to` is not, but a slot with its number or a higher one was pushed before.
    void move(std::size_t from, std::size_t to) noexcept;
    /// Releases unused memory.
    /// Preconditions: all slots in the heap are less than `slots`.
    void shrink_to(std::size_t slots);

private:
    struct item {
        time_point deadline;
        std::uint64_t order;  // breaks ties: increases with each push() and change()
        std::size_t slot;
    };
    static constexpr std::size_t arity = 4;

    [[nodiscard]] static bool comes_before(const item& a, const item& b) noexcept {
        return a.deadline != b.deadline ? a.deadline < b.deadline : a.order < b.order;
    }
    void put(std::size_t place, const item& what) noexcept;
    void sift_up(std::size_t place, const item& what) noexcept;
    void sift_down(std::size_t place, const item& what) noexcept;

    std::vector<item> items_;
    std::vector<std::size_t> places_;  // by slot: its index in items_, or `nowhere`
    std::uint64_t next_order_ = 0;
};

}  // namespace eddy::detail
