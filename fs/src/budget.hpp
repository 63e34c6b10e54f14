// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <eddy/future/future.hpp>

namespace eddy::fs::detail {

/// Takes a unit of the coop budget for 16 KiB that were transferred on the thread of the task: a poll transfers about
/// 2 MiB.
inline void charge(context& cx, std::size_t bytes) noexcept {
    constexpr std::size_t bytes_of_unit = 16 * 1024;
    const auto units = std::min<std::size_t>(bytes / bytes_of_unit, cx.budget());
    cx.restore_budget(cx.budget() - static_cast<std::uint32_t>(units));
}

}  // namespace eddy::fs::detail
