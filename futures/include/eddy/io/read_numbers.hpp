// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <eddy/bytes/detail/byte_order.hpp>
#include <eddy/bytes/int128.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>
#include <eddy/io/read_exact.hpp>

namespace eddy::io {

/// The future of read_u8() and the other functions that read numbers.
/// Cancel safety: not safe, except for 8-bit numbers. Bytes that were read are lost.
template <class R, class T, std::endian Order>
class [[nodiscard("an operation does nothing until it is awaited")]] read_number_future
    : public detail::reading_future<read_number_future<R, T, Order>, result<T>, R> {
public:
    using output_type = result<T>;

    explicit read_number_future(R& from) noexcept : read_number_future::reading_future(from) {}

    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return filled_; }

private:
    friend typename read_number_future::io_future;
    poll_result<output_type> advance(context& cx) {
        const auto done = detail::poll_read_exact(this->from(), cx, bytes_, filled_);
        if (!done) return not_ready;
        if (!*done) return output_type(std::unexpect, done->error());
        return output_type(detail::number_of<T, Order>(bytes_));
    }

    std::array<std::byte, sizeof(T)> bytes_{};
    std::size_t filled_ = 0;
};

}  // namespace eddy::io

namespace eddy::detail {

/// Makes the operation that reads a T in byte order Order.
template <class T, std::endian Order, class R>
auto read_number(R&& from) {
    return make_if<check_borrowed_reader<R>(), io::read_number_future<std::remove_reference_t<R>, T, Order>>(from);
}

}  // namespace eddy::detail

namespace eddy::io {

/// Reads a number and returns it. Functions with the suffix `_le` read little-endian numbers. The other functions read
/// big-endian numbers (network byte order). f32 and f64 are IEEE 754 numbers.
/// Errors: errc::unexpected_eof if the reader ends before or within the number; the errors of the reader.
/// Cancel safety: not safe, except for 8-bit numbers. Bytes that were read are lost.
/// Lifetime: the future borrows the reader.
/// Cost: no allocation. The reads are short: read from a buf_reader.
template <class R>
[[nodiscard]] auto read_u8(R&& from) {
    return detail::read_number<std::uint8_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i8(R&& from) {
    return detail::read_number<std::int8_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_u16(R&& from) {
    return detail::read_number<std::uint16_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_u16_le(R&& from) {
    return detail::read_number<std::uint16_t, std::endian::little>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i16(R&& from) {
    return detail::read_number<std::int16_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i16_le(R&& from) {
    return detail::read_number<std::int16_t, std::endian::little>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_u32(R&& from) {
    return detail::read_number<std::uint32_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_u32_le(R&& from) {
    return detail::read_number<std::uint32_t, std::endian::little>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i32(R&& from) {
    return detail::read_number<std::int32_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i32_le(R&& from) {
    return detail::read_number<std::int32_t, std::endian::little>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_u64(R&& from) {
    return detail::read_number<std::uint64_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_u64_le(R&& from) {
    return detail::read_number<std::uint64_t, std::endian::little>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i64(R&& from) {
    return detail::read_number<std::int64_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i64_le(R&& from) {
    return detail::read_number<std::int64_t, std::endian::little>(std::forward<R>(from));
}
#ifdef EDDY_HAS_INT128
template <class R>
[[nodiscard]] auto read_u128(R&& from) {
    return detail::read_number<uint128_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_u128_le(R&& from) {
    return detail::read_number<uint128_t, std::endian::little>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i128(R&& from) {
    return detail::read_number<int128_t, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_i128_le(R&& from) {
    return detail::read_number<int128_t, std::endian::little>(std::forward<R>(from));
}
#endif
template <class R>
[[nodiscard]] auto read_f32(R&& from) {
    return detail::read_number<float, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_f32_le(R&& from) {
    return detail::read_number<float, std::endian::little>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_f64(R&& from) {
    return detail::read_number<double, std::endian::big>(std::forward<R>(from));
}
template <class R>
[[nodiscard]] auto read_f64_le(R&& from) {
    return detail::read_number<double, std::endian::little>(std::forward<R>(from));
}

}  // namespace eddy::io
