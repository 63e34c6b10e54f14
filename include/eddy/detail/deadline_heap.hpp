// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// The deadlines of numbered slots, the earliest first; of equal ones the first that was pushed or changed. A heap with
/// four children a node, in which each slot knows its place (Johnson, Inf. Proc. Letters 4, 1975): exact to the
/// nanosecond where a wheel has ticks, and 32 bytes a slot where that has 20 KB in all. Cost: pop O(log n). push,
/// remove and change as well, but O(1) on average, and where deadlines grow, as with one time-out for all: most of what
/// is in a heap lies at its bottom.
class EDDY_API deadline_heap {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

    [[nodiscard]] bool is_empty() const noexcept { return items_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] std::size_t first() const noexcept { return items_.front().slot; }
    [[nodiscard]] time_point first_deadline() const noexcept { return items_.front().deadline; }
    [[nodiscard]] time_point deadline_of(std::size_t slot) const noexcept { return items_[places_[slot]].deadline; }

    /// For `count` slots in all: no push of one of those allocates.
    void reserve(std::size_t count);

    /// Preconditions: the slot is not in it.
    void push(std::size_t slot, time_point deadline);
    void remove(std::size_t slot) noexcept;
    void change(std::size_t slot, time_point deadline) noexcept;
    void clear() noexcept;

    /// What is at slot `from` is at slot `to` from now on, which was in it before, if not at the moment.
    void move(std::size_t from, std::size_t to) noexcept;
    /// Gives back memory. Preconditions: only the first `slots` are in it.
    void shrink_to(std::size_t slots);

private:
    struct item {
        time_point deadline;
        std::uint64_t order;
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
    std::vector<std::size_t> places_;  // by slot
    std::uint64_t next_order_ = 0;
};

}  // namespace eddy::detail
