// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <type_traits>

namespace eddy::detail {

/// The bytes of a number, in this order.
template <std::endian Order, class T>
    requires std::is_arithmetic_v<T>
[[nodiscard]] constexpr std::array<std::byte, sizeof(T)> bytes_of(T value) noexcept {
    auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
    if constexpr (Order != std::endian::native) std::ranges::reverse(bytes);
    return bytes;
}

/// The number that bytes in this order stand for.
template <class T, std::endian Order>
    requires std::is_arithmetic_v<T>
[[nodiscard]] constexpr T number_of(std::array<std::byte, sizeof(T)> bytes) noexcept {
    if constexpr (Order != std::endian::native) std::ranges::reverse(bytes);
    return std::bit_cast<T>(bytes);
}

static_assert(sizeof(float) == 4 && sizeof(double) == 8, "f32 and f64 are IEEE 754");

}  // namespace eddy::detail
