// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/future/future.hpp>

namespace eddy::detail {

/// A budget guard: makes sure that each item costs a unit of the coop budget, so that a loop over an always-ready
/// source returns to the executor. Usually the source has already consumed the unit.
class budget_guard {
public:
    explicit budget_guard(context& cx) noexcept : cx_(cx), before_(cx.budget()) {}

    /// Consumes a unit after an item, unless the source did. Returns false if the budget is used up: the task has been
    /// woken, and the loop must return `not_ready`.
    [[nodiscard]] bool is_paid() noexcept { return cx_.budget() != before_ || cx_.consume_budget(); }

private:
    context& cx_;
    const std::uint32_t before_;
};

/// Charges the coop budget for a transfer of `bytes`: one unit for each `bytes_of_unit`. Otherwise a series of large
/// transfers would copy hundreds of megabytes before the executor does anything else.
inline void charge(context& cx, std::size_t bytes, std::size_t bytes_of_unit) noexcept {
    const std::size_t units = bytes / bytes_of_unit;
    cx.restore_budget(units < cx.budget() ? cx.budget() - static_cast<std::uint32_t>(units) : 0);
}

/// Polls by `poll(context)`, with a new coop budget if `cx` has none left. For a deadline, or another part of a
/// future that must not wait for ever because the future uses up the budget in each poll.
template <class Poll>
auto poll_with_budget(context& cx, const Poll& poll) {
    if (cx.budget() != 0) return poll(cx);
    context own(cx.waker());
    return poll(own);
}

}  // namespace eddy::detail
