// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

// What headers need of <algorithm>, which takes 3% of the time to compile a small program.
namespace eddy::detail {

/// Returns the lesser value.
template <class T>
[[nodiscard]] constexpr T lesser(T a, T b) noexcept {
    return b < a ? b : a;
}

/// Returns the greater value.
template <class T>
[[nodiscard]] constexpr T greater(T a, T b) noexcept {
    return a < b ? b : a;
}

/// Copies all bytes of `from` to the begin of `into`.
/// Preconditions: `into` is large enough; the bytes do not overlap.
inline void copy_bytes(std::span<const std::byte> from, std::byte* into) noexcept {
    if (!from.empty()) std::memcpy(into, from.data(), from.size());
}

}  // namespace eddy::detail
