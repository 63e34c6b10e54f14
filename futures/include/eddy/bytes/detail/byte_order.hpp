// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <eddy/bytes/int128.hpp>

namespace eddy::detail {

/// Whether `T` is an arithmetic type or a 128-bit integer.
template <class T>
inline constexpr bool is_number = std::is_arithmetic_v<T>;
#ifdef EDDY_HAS_INT128
// Without GNU extensions (-std=c++23), std::is_arithmetic_v is false for 128-bit integers.
template <>
inline constexpr bool is_number<int128_t> = true;
template <>
inline constexpr bool is_number<uint128_t> = true;
#endif

/// Returns the bytes in reverse order. std::byteswap is used for 4 and 8 bytes, because GCC 12 does not compile the
/// generic reversal to one instruction.
template <std::size_t Size>
[[nodiscard]] constexpr std::array<std::byte, Size> reversed(std::array<std::byte, Size> bytes) noexcept {
    if constexpr (Size == sizeof(std::uint64_t)) {
        return std::bit_cast<std::array<std::byte, Size>>(std::byteswap(std::bit_cast<std::uint64_t>(bytes)));
    } else if constexpr (Size == sizeof(std::uint32_t)) {
        return std::bit_cast<std::array<std::byte, Size>>(std::byteswap(std::bit_cast<std::uint32_t>(bytes)));
    } else {
        for (std::size_t i = 0; i < Size / 2; ++i) std::swap(bytes[i], bytes[Size - 1 - i]);
        return bytes;
    }
}

/// Returns the bytes of a number in byte order `Order`.
template <std::endian Order, class T>
    requires is_number<T>
[[nodiscard]] constexpr std::array<std::byte, sizeof(T)> bytes_of(T value) noexcept {
    const auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
    return Order == std::endian::native ? bytes : reversed(bytes);
}

/// Returns the number that `bytes` represent in byte order `Order`.
template <class T, std::endian Order>
    requires is_number<T>
[[nodiscard]] constexpr T number_of(std::array<std::byte, sizeof(T)> bytes) noexcept {
    return std::bit_cast<T>(Order == std::endian::native ? bytes : reversed(bytes));
}

static_assert(sizeof(float) == 4 && sizeof(double) == 8, "f32 and f64 are IEEE 754");

}  // namespace eddy::detail
