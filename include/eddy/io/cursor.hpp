// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/bytes.hpp>
#include <eddy/detail/byte_room.hpp>
#include <eddy/detail/byte_window.hpp>
#include <eddy/detail/read_filled.hpp>
#include <eddy/future.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// Bytes in memory as a reader, and as a writer if they can be written: a string or vector grows, a span is full at its
/// end.
///     io::cursor request(std::string("GET / HTTP/1.1\r\n"));    io::cursor room(std::span(array));
/// It reads, writes and seeks at one place. Nothing waits. Each poll takes a unit of the budget.
/// Errors: seeking before the beginning: invalid_argument. Writing where no string or vector reaches, however much
/// memory there is: file_too_large, as of write(2); std::bad_alloc when there is too little, also for the zeros before
/// that place. A span that is full takes 0 bytes, which write_all() calls write_zero. Cancel safety: safe.
template <class T>
class cursor {
    static constexpr bool is_byte_range = detail::owner_of_bytes<T> || std::is_base_of_v<detail::byte_window, T>;
    static_assert(is_byte_range,
                  "eddy: a cursor needs bytes: a string, a vector of bytes, a span of std::byte, eddy::bytes");

public:
    explicit cursor(T over) : over_(std::move(over)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        return detail::poll_read_filled(*this, cx, into);
    }
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx) {
        if (!cx.consume_budget()) return not_ready;
        const auto all = bytes();
        return ok(all.subspan(std::min<std::uint64_t>(at_, all.size())));
    }
    void consume(std::size_t count) noexcept { at_ += count; }

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from)
        requires(detail::is_growing<T> || std::is_same_v<T, std::span<std::byte>>)
    {
        if (!cx.consume_budget()) return not_ready;
        if constexpr (detail::is_growing<T>) {
            if (!grow_to(at_ + from.size())) {
                return result<std::size_t>(std::unexpect, std::make_error_code(std::errc::file_too_large));
            }
        }
        const auto room = writable().subspan(std::min<std::uint64_t>(at_, std::size(over_)));
        const std::size_t count = std::min(from.size(), room.size());
        std::copy_n(from.begin(), count, room.begin());
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

    /// Where the next byte is read or written.
    [[nodiscard]] std::uint64_t position() const noexcept { return at_; }
    [[nodiscard]] T& inner() noexcept { return over_; }
    [[nodiscard]] const T& inner() const noexcept { return over_; }
    [[nodiscard]] T into_inner() && { return std::move(over_); }

private:
    /// False where no container of this kind reaches.
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
