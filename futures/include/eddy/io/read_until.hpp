// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <eddy/detail/small_algorithms.hpp>
#include <eddy/detail/utf8.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>
#include <eddy/io/detail/spare_bytes.hpp>

namespace eddy::io {

/// The value for an unlimited length of a line or part.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

}  // namespace eddy::io

namespace eddy::detail {

/// The number of bytes at the front of `bytes` up to and including a delimiter, and whether the delimiter was found.
struct delimited {
    delimited(std::span<const std::byte> bytes, std::byte delimiter) noexcept : size(bytes.size()) {
        if (bytes.empty()) return;
        const void* const at = std::memchr(bytes.data(), std::to_integer<int>(delimiter), bytes.size());
        if (at == nullptr) return;
        // SAFETY: memchr(3) returned a pointer into `bytes`.
        size = static_cast<std::size_t>(static_cast<const std::byte*>(at) - bytes.data()) + 1;
        is_complete = true;
    }
    std::size_t size;
    bool is_complete = false;
};

/// Consumes bytes up to and including a delimiter, or up to the end. `take(bytes)` returns how many of the given bytes
/// it takes.
/// Errors: any error of the reader; line_too_long if `take` takes fewer bytes than it was given.
template <class R, class Take>
poll_result<result<void>> poll_to_delimiter(R& from, context& cx, std::byte delimiter, const Take& take) {
    for (;;) {
        budget_guard cost(cx);
        const auto there = from.poll_fill_buf(cx);
        if (!there) return not_ready;
        if (!*there) return result<void>(std::unexpect, there->error());
        if ((*there)->empty()) return ok();
        const delimited part(**there, delimiter);
        const std::size_t taken = take((*there)->first(part.size));
        from.consume(taken);
        if (taken < part.size) return result<void>(std::unexpect, make_error_code(errc::line_too_long));
        if (part.is_complete) return ok();
        if (!cost.is_paid()) return not_ready;
    }
}

/// Appends bytes up to and including a delimiter, or up to the end. Adds their number to `read`, which never exceeds
/// `limit`.
template <class R, class C>
poll_result<result<void>> poll_read_until(R& from, context& cx, std::byte delimiter, C& into, std::size_t& read,
                                          std::size_t limit) {
    return poll_to_delimiter(from, cx, delimiter, [&](std::span<const std::byte> part) {
        const std::size_t taken = detail::lesser(part.size(), limit - read);
        append_bytes(into, part.first(taken));
        read += taken;
        return taken;
    });
}

/// Discards bytes up to and including a delimiter, or up to the end.
template <class R>
poll_result<result<void>> poll_skip_until(R& from, context& cx, std::byte delimiter) {
    return poll_to_delimiter(from, cx, delimiter, [](std::span<const std::byte> part) { return part.size(); });
}

}  // namespace eddy::detail

namespace eddy::io {

/// The future of fill_buf().
template <class R>
class [[nodiscard("an operation does nothing until it is awaited")]] fill_buf_future
    : public detail::reading_future<fill_buf_future<R>, result<std::span<const std::byte>>, R> {
public:
    using output_type = result<std::span<const std::byte>>;

    explicit fill_buf_future(R& from) noexcept : fill_buf_future::reading_future(from) {}

private:
    friend typename fill_buf_future::io_future;
    poll_result<output_type> advance(context& cx) { return this->from().poll_fill_buf(cx); }
};

/// The future of read_until().
template <class R, class C>
class [[nodiscard("an operation does nothing until it is awaited")]] read_until_future
    : public detail::reading_future<read_until_future<R, C>, result<std::size_t>, R> {
public:
    using output_type = result<std::size_t>;

    read_until_future(R& from, std::byte delimiter, C& into, std::size_t limit) noexcept
        : read_until_future::reading_future(from), into_(&into), limit_(limit), delimiter_(delimiter) {}

    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return read_; }

private:
    friend typename read_until_future::io_future;
    poll_result<output_type> advance(context& cx) {
        const auto done = detail::poll_read_until(this->from(), cx, delimiter_, *into_, read_, limit_);
        if (!done) return not_ready;
        if (!*done) return output_type(std::unexpect, done->error());
        return ok(read_);
    }

    C* into_;
    std::size_t limit_;
    std::size_t read_ = 0;
    std::byte delimiter_;
};

/// The future of read_line().
template <class R>
class [[nodiscard("an operation does nothing until it is awaited")]] read_line_future
    : public detail::io_future<read_line_future<R>, result<std::size_t>> {
public:
    using output_type = result<std::size_t>;

    read_line_future(R& from, std::string& into, std::size_t limit) noexcept
        : into_(&into), before_(into.size()), reading_(from, std::byte{'\n'}, into, limit) {}

    friend auto awaited_object(const read_line_future& me) noexcept { return awaited_object(me.reading_); }

    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return reading_.count(); }

private:
    friend typename read_line_future::io_future;
    poll_result<output_type> advance(context& cx) {
        auto count = reading_.poll(cx);
        if (!count || !*count) return count;
        if (detail::is_utf8(std::string_view(*into_).substr(before_))) return count;
        into_->resize(before_);
        return detail::io_failure(errc::invalid_utf8);
    }

    std::string* into_;
    std::size_t before_;
    read_until_future<R, std::string> reading_;
};

/// Returns the bytes in the reader's buffer. Reads first if the buffer is empty. Returns an empty span at end of
/// stream. Call `reader.consume(count)` afterwards to remove the bytes that were used. The next call returns the rest.
/// Errors: any error of the reader.
/// Cancel safety: safe. No byte is consumed.
/// Lifetime: the bytes stay valid until the next operation on the reader.
template <class R>
[[nodiscard]] auto fill_buf(R&& from) {
    return detail::make_if<detail::check_borrowed_buf_reader<R>(), fill_buf_future<std::remove_reference_t<R>>>(from);
}

/// Reads up to and including a delimiter, or up to the end, and appends the bytes to `into`: a std::string, a vector of
/// bytes, or a bytes_mut. Returns the number of bytes, which is 0 at end of stream.
/// Errors: errc::line_too_long if the first `limit` bytes have no delimiter; these bytes are in `into`, and no longer
/// in the reader. Also the errors of the reader.
/// Cancel safety: safe if `into` is kept. It has the bytes that were read. Call this function again to continue.
/// Lifetime: the future borrows the reader and `into`.
template <class R, class C>
[[nodiscard]] auto read_until(R&& from, std::byte delimiter, C& into, std::size_t limit = no_limit) {
    constexpr bool fits = detail::check_borrowed_buf_reader<R>() && detail::check_growing<C>();
    return detail::make_if<fits, read_until_future<std::remove_reference_t<R>, C>>(from, delimiter, into, limit);
}
template <class R, class C>
[[nodiscard]] auto read_until(R&& from, char delimiter, C& into, std::size_t limit = no_limit) {
    return eddy::io::read_until(std::forward<R>(from), static_cast<std::byte>(delimiter), into, limit);
}

/// Reads a line of UTF-8 text with its line end, and appends it to `into`. Returns the number of bytes, which is 0 at
/// end of stream. The last line may lack a line end.
/// Errors: errc::invalid_utf8, which leaves `into` as it was and loses the line; the errors of read_until().
/// Cancel safety: not safe. The bytes that were read are in `into`, and were not checked. Use lines() instead.
/// Lifetime: the future borrows the reader and `into`.
template <class R>
[[nodiscard]] auto read_line(R&& from, std::string& into, std::size_t limit = no_limit) {
    return detail::make_if<detail::check_borrowed_buf_reader<R>(), read_line_future<std::remove_reference_t<R>>>(
        from, into, limit);
}

}  // namespace eddy::io
