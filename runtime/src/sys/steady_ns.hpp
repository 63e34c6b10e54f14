// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>

namespace eddy::sys {

/// Returns the time of steady_clock in nanoseconds, from CLOCK_MONOTONIC.
inline std::uint64_t steady_ns() noexcept {
    const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(now.count());
}

}  // namespace eddy::sys
