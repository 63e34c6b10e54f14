// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <eddy/bytes/detail/byte_window.hpp>
#include <eddy/detail/small_algorithms.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// Reads at most a given number of bytes of another reader. Returned by take().
template <class R>
class [[nodiscard]] take_reader {
public:
    /// Takes ownership of the reader.
    take_reader(R&& inner, std::uint64_t limit) : inner_(std::move(inner)), limit_(limit) {}

    /// Implements async_read, and async_buf_read if the other reader does.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (limit_ == 0) return ok(std::size_t{0});
        auto count = detail::poll_read_checked(inner_, cx, within_limit(into));
        if (count && *count) limit_ -= **count;
        return count;
    }

    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx)
        requires async_buf_read<R>
    {
        if (limit_ == 0) return ok(std::span<const std::byte>());
        auto there = inner_.poll_fill_buf(cx);
        if (there && *there) **there = within_limit(**there);
        return there;
    }
    /// Removes the first `count` unread bytes.
    /// Errors: throws std::out_of_range if `count` exceeds limit().
    void consume(std::size_t count)
        requires async_buf_read<R>
    {
        if (count > limit_) detail::throw_out_of_window("take_reader::consume", count, limit_);
        inner_.consume(count);
        limit_ -= count;
    }

    /// Returns how many bytes may still be read.
    [[nodiscard]] std::uint64_t limit() const noexcept { return limit_; }
    /// Sets how many bytes may still be read.
    void set_limit(std::uint64_t limit) noexcept { limit_ = limit; }
    /// Returns the other reader.
    [[nodiscard]] R& inner() noexcept { return inner_; }
    /// Moves the other reader out.
    [[nodiscard]] R into_inner() && { return std::move(inner_); }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &take_reader::inner_); }

private:
    template <class Byte>
    std::span<Byte> within_limit(std::span<Byte> bytes) const noexcept {
        return bytes.first(static_cast<std::size_t>(detail::lesser<std::uint64_t>(bytes.size(), limit_)));
    }

    R inner_;
    std::uint64_t limit_;
};

/// Returns a reader of the first `limit` bytes of another reader. The bytes after them stay in the other reader.
///     auto body = io::take(std::ref(peer), length);
/// Cancel safety: same as the other reader.
/// Lifetime: takes ownership of the reader. Pass std::ref(reader) to borrow it.
template <class R>
[[nodiscard]] auto take(R&& from, std::uint64_t limit) {
    constexpr bool fits = detail::check_given_io<R>() && detail::check_reader<detail::kept_io_t<R>>();
    return detail::make_if<fits, take_reader<detail::kept_io_t<R>>, detail::broken_io>(std::forward<R>(from), limit);
}

}  // namespace eddy::io
