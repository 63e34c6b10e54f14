// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <limits>

/// Positions in files.
namespace eddy::sys {

/// Returns whether the system has such an offset.
[[nodiscard]] constexpr bool is_offset(std::uint64_t offset) noexcept {
    return offset <= static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
}

}  // namespace eddy::sys
