// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/detail/byte_window.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/io/detail/read_filled.hpp>
#include <eddy/io/detail/spare_bytes.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// Makes bytes in memory a reader, and a writer if they are mutable. Writes make a string or a vector grow. A span is
/// full at its end.
///     io::cursor request(std::string("GET / HTTP/1.1\r\n"));    io::cursor buffer(std::span(array));
/// Reads, writes and seeks use the same position. No operation waits. Each read and each write takes one unit of the
/// coop budget.
/// Errors: invalid_argument for a seek before the start. file_too_large, as with write(2), for a write beyond the
/// maximum size of the container. A full span takes 0 bytes, which write_all() reports as errc::write_zero. Throws
/// std::bad_alloc if there is too little memory for the bytes, or for the zeros that fill a gap before them.
template <class T>
class cursor {
    static constexpr bool is_byte_range = detail::owner_of_bytes<T> || std::is_base_of_v<detail::byte_window, T>;
    static_assert(is_byte_range,
                  "eddy: a cursor needs bytes: a string, a vector of bytes, a span of std::byte, eddy::bytes");

public:
    /// Takes ownership of the bytes. The position is 0.
    explicit cursor(T over) : over_(std::move(over)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        return detail::poll_read_filled(*this, cx, into);
    }
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        const auto all = bytes();
        return ok(all.subspan(detail::lesser<std::uint64_t>(at_, all.size())));
    }
    void consume(std::size_t count) noexcept { at_ += count; }

    /// Implements async_write. Flush and shutdown do nothing.
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from)
        requires(detail::is_growing<T> || std::is_same_v<T, std::span<std::byte>>)
    {
        if (!cx.consume_budget()) return not_ready;
        if constexpr (detail::is_growing<T>) {
            if (!grow_to(at_ + from.size())) {
                return result<std::size_t>(std::unexpect, std::make_error_code(std::errc::file_too_large));
            }
        }
        const auto room = writable().subspan(detail::lesser<std::uint64_t>(at_, std::size(over_)));
        const std::size_t count = detail::lesser(from.size(), room.size());
        detail::copy_bytes(from.first(count), room.data());
        at_ += count;
        return ok(count);
    }
    poll_result<result<void>> poll_flush(context&) { return ok(); }
    poll_result<result<void>> poll_shutdown(context&) { return ok(); }

    result<void> start_seek(seek_from to) {
        const std::int64_t base = to.from() == seek_from::origin::current ? static_cast<std::int64_t>(at_)
                                  : to.from() == seek_from::origin::end   ? static_cast<std::int64_t>(std::size(over_))
                                                                          : 0;
        const bool is_too_far = to.offset() > 0 && base > std::numeric_limits<std::int64_t>::max() - to.offset();
        if (is_too_far || base + to.offset() < 0)
            return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        at_ = static_cast<std::uint64_t>(base + to.offset());
        return {};
    }
    poll_result<result<std::uint64_t>> poll_seek_complete(context&) { return ok(at_); }

    /// Returns the position of the next read or write, in bytes from the start.
    [[nodiscard]] std::uint64_t position() const noexcept { return at_; }
    /// Returns the bytes.
    [[nodiscard]] T& inner() noexcept { return over_; }
    [[nodiscard]] const T& inner() const noexcept { return over_; }
    /// Moves the bytes out.
    [[nodiscard]] T into_inner() && { return std::move(over_); }

private:
    /// Grows the container to `size` bytes if it is smaller. Returns false if no container of this type can be that
    /// large.
    [[nodiscard]] bool grow_to(std::uint64_t size) {
        if (size <= std::size(over_)) return true;
        try {
            over_.resize(static_cast<std::size_t>(size));
        } catch (const std::length_error&) {
            return false;
        }
        return true;
    }
    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return std::as_bytes(std::span(std::data(over_), std::size(over_)));
    }
    [[nodiscard]] std::span<std::byte> writable() noexcept {
        return std::as_writable_bytes(std::span(std::data(over_), std::size(over_)));
    }

    T over_;
    std::uint64_t at_ = 0;
};

}  // namespace eddy::io
