// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <type_traits>

#include <eddy/int128.hpp>

namespace eddy::detail {

template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T>;
#ifdef EDDY_HAS_INT128
// Without the compiler's extensions the standard library does not say so.
template <>
inline constexpr bool is_number<int128_t> = true;
template <>
inline constexpr bool is_number<uint128_t> = true;
#endif

/// The bytes of a number, in this order.
template <std::endian Order, class T>
    requires is_number<T>
[[nodiscard]] constexpr std::array<std::byte, sizeof(T)> bytes_of(T value) noexcept {
    auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
    if constexpr (Order != std::endian::native) std::ranges::reverse(bytes);
    return bytes;
}

/// The number that bytes in this order stand for.
template <class T, std::endian Order>
    requires is_number<T>
[[nodiscard]] constexpr T number_of(std::array<std::byte, sizeof(T)> bytes) noexcept {
    if constexpr (Order != std::endian::native) std::ranges::reverse(bytes);
    return std::bit_cast<T>(bytes);
}

static_assert(sizeof(float) == 4 && sizeof(double) == 8, "f32 and f64 are IEEE 754");

}  // namespace eddy::detail
