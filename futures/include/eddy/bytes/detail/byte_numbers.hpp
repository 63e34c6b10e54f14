// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <eddy/bytes/detail/byte_order.hpp>
#include <eddy/bytes/detail/byte_window.hpp>
#include <eddy/bytes/int128.hpp>

// Numbers in windows of bytes: big-endian (network byte order), and little-endian with the suffix `_le`.

namespace eddy::detail {

/// Adds get_*() functions to a window class that derives from `takes_numbers<itself>`. Each function removes a number
/// from the front of the window and returns it.
/// Errors: throws std::out_of_range if the window has too few bytes, and removes none.
template <class Self>
class takes_numbers {
public:
    std::uint8_t get_u8() { return get<std::uint8_t, std::endian::big>("get_u8"); }
    std::int8_t get_i8() { return get<std::int8_t, std::endian::big>("get_i8"); }
    std::uint16_t get_u16() { return get<std::uint16_t, std::endian::big>("get_u16"); }
    std::uint16_t get_u16_le() { return get<std::uint16_t, std::endian::little>("get_u16_le"); }
    std::int16_t get_i16() { return get<std::int16_t, std::endian::big>("get_i16"); }
    std::int16_t get_i16_le() { return get<std::int16_t, std::endian::little>("get_i16_le"); }
    std::uint32_t get_u32() { return get<std::uint32_t, std::endian::big>("get_u32"); }
    std::uint32_t get_u32_le() { return get<std::uint32_t, std::endian::little>("get_u32_le"); }
    std::int32_t get_i32() { return get<std::int32_t, std::endian::big>("get_i32"); }
    std::int32_t get_i32_le() { return get<std::int32_t, std::endian::little>("get_i32_le"); }
    std::uint64_t get_u64() { return get<std::uint64_t, std::endian::big>("get_u64"); }
    std::uint64_t get_u64_le() { return get<std::uint64_t, std::endian::little>("get_u64_le"); }
    std::int64_t get_i64() { return get<std::int64_t, std::endian::big>("get_i64"); }
    std::int64_t get_i64_le() { return get<std::int64_t, std::endian::little>("get_i64_le"); }
#ifdef EDDY_HAS_INT128
    uint128_t get_u128() { return get<uint128_t, std::endian::big>("get_u128"); }
    uint128_t get_u128_le() { return get<uint128_t, std::endian::little>("get_u128_le"); }
    int128_t get_i128() { return get<int128_t, std::endian::big>("get_i128"); }
    int128_t get_i128_le() { return get<int128_t, std::endian::little>("get_i128_le"); }
#endif
    float get_f32() { return get<float, std::endian::big>("get_f32"); }
    float get_f32_le() { return get<float, std::endian::little>("get_f32_le"); }
    double get_f64() { return get<double, std::endian::big>("get_f64"); }
    double get_f64_le() { return get<double, std::endian::little>("get_f64_le"); }

private:
    template <class T, std::endian Order>
    T get(const char* what) {
        // SAFETY: Self derives from this mixin, so *this is the base of a Self.
        auto& self = static_cast<Self&>(*this);
        if (self.size() < sizeof(T)) throw_out_of_window(what, sizeof(T), self.size());
        std::array<std::byte, sizeof(T)> bytes;
        std::memcpy(bytes.data(), self.data(), sizeof(T));
        self.advance(sizeof(T));
        return number_of<T, Order>(bytes);
    }
};

/// Adds put_*() functions to a growing window class that derives from `puts_numbers<itself>`. Each function appends a
/// number to the end of the window.
/// Errors: any error of the window's put().
template <class Self>
class puts_numbers {
public:
    void put_u8(std::uint8_t value) { put_number<std::endian::big>(value); }
    void put_i8(std::int8_t value) { put_number<std::endian::big>(value); }
    void put_u16(std::uint16_t value) { put_number<std::endian::big>(value); }
    void put_u16_le(std::uint16_t value) { put_number<std::endian::little>(value); }
    void put_i16(std::int16_t value) { put_number<std::endian::big>(value); }
    void put_i16_le(std::int16_t value) { put_number<std::endian::little>(value); }
    void put_u32(std::uint32_t value) { put_number<std::endian::big>(value); }
    void put_u32_le(std::uint32_t value) { put_number<std::endian::little>(value); }
    void put_i32(std::int32_t value) { put_number<std::endian::big>(value); }
    void put_i32_le(std::int32_t value) { put_number<std::endian::little>(value); }
    void put_u64(std::uint64_t value) { put_number<std::endian::big>(value); }
    void put_u64_le(std::uint64_t value) { put_number<std::endian::little>(value); }
    void put_i64(std::int64_t value) { put_number<std::endian::big>(value); }
    void put_i64_le(std::int64_t value) { put_number<std::endian::little>(value); }
#ifdef EDDY_HAS_INT128
    void put_u128(uint128_t value) { put_number<std::endian::big>(value); }
    void put_u128_le(uint128_t value) { put_number<std::endian::little>(value); }
    void put_i128(int128_t value) { put_number<std::endian::big>(value); }
    void put_i128_le(int128_t value) { put_number<std::endian::little>(value); }
#endif
    void put_f32(float value) { put_number<std::endian::big>(value); }
    void put_f32_le(float value) { put_number<std::endian::little>(value); }
    void put_f64(double value) { put_number<std::endian::big>(value); }
    void put_f64_le(double value) { put_number<std::endian::little>(value); }

private:
    template <std::endian Order, class T>
    void put_number(T value) {
        const auto bytes = bytes_of<Order>(value);
        // SAFETY: Self derives from this mixin, so *this is the base of a Self.
        static_cast<Self&>(*this).put(std::span<const std::byte>(bytes));
    }
};

}  // namespace eddy::detail
