// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/bytes/detail/byte_order.hpp>
#include <eddy/bytes/int128.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>

namespace eddy::io {

/// The future of write_u8() and the other functions that write numbers.
/// Cancel safety: not safe, except for 8-bit numbers. Only count() has the number of bytes that were written.
template <class W, std::size_t Size>
class [[nodiscard("an operation does nothing until it is awaited")]] write_number_future
    : public detail::writing_future<write_number_future<W, Size>, result<void>, W> {
public:
    using output_type = result<void>;

    write_number_future(W& to, const std::array<std::byte, Size>& bytes) noexcept
        : write_number_future::writing_future(to), bytes_(bytes) {}

    /// Returns the number of bytes that were written.
    [[nodiscard]] std::size_t count() const noexcept { return written_; }

private:
    friend typename write_number_future::io_future;
    poll_result<output_type> advance(context& cx) {
        auto left = std::span<const std::byte>(bytes_).subspan(written_);
        auto done = detail::poll_write_all(this->to(), cx, left);
        written_ = Size - left.size();
        return done;
    }

    std::array<std::byte, Size> bytes_;
    std::size_t written_ = 0;
};

}  // namespace eddy::io

namespace eddy::detail {

/// Makes the operation that writes `value` in byte order Order.
template <std::endian Order, class W, class T>
auto write_number(W&& to, T value) {
    return make_if<check_borrowed_writer<W>(), io::write_number_future<std::remove_reference_t<W>, sizeof(T)>>(
        to, bytes_of<Order>(value));
}

}  // namespace eddy::detail

namespace eddy::io {

/// Writes a number. Functions with the suffix `_le` write little-endian numbers. The other functions write big-endian
/// numbers (network byte order). f32 and f64 are IEEE 754 numbers.
/// Errors: same as write_all().
/// Cancel safety: not safe, except for 8-bit numbers. Only count() has the number of bytes that were written.
/// Lifetime: the future borrows the writer.
/// Cost: no allocation. The writes are short: write to a buf_writer.
template <class W>
[[nodiscard]] auto write_u8(W&& to, std::uint8_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i8(W&& to, std::int8_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_u16(W&& to, std::uint16_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_u16_le(W&& to, std::uint16_t value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i16(W&& to, std::int16_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i16_le(W&& to, std::int16_t value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_u32(W&& to, std::uint32_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_u32_le(W&& to, std::uint32_t value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i32(W&& to, std::int32_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i32_le(W&& to, std::int32_t value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_u64(W&& to, std::uint64_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_u64_le(W&& to, std::uint64_t value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i64(W&& to, std::int64_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i64_le(W&& to, std::int64_t value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
#ifdef EDDY_HAS_INT128
template <class W>
[[nodiscard]] auto write_u128(W&& to, uint128_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_u128_le(W&& to, uint128_t value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i128(W&& to, int128_t value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_i128_le(W&& to, int128_t value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
#endif
template <class W>
[[nodiscard]] auto write_f32(W&& to, float value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_f32_le(W&& to, float value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_f64(W&& to, double value) {
    return detail::write_number<std::endian::big>(std::forward<W>(to), value);
}
template <class W>
[[nodiscard]] auto write_f64_le(W&& to, double value) {
    return detail::write_number<std::endian::little>(std::forward<W>(to), value);
}

}  // namespace eddy::io
