// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/future.hpp>

namespace eddy::detail {

/// Makes each item cost a unit of the budget, so that a loop over a source that is always ready comes to an end. Mostly
/// the source has taken it.
class toll {
public:
    explicit toll(context& cx) noexcept : cx_(cx), before_(cx.budget()) {}

    /// After an item. False if the budget is used up: the task has been woken, and the loop answers `not_ready`.
    [[nodiscard]] bool is_paid() noexcept { return cx_.budget() != before_ || cx_.consume_budget(); }

private:
    context& cx_;
    const std::uint32_t before_;
};

}  // namespace eddy::detail
