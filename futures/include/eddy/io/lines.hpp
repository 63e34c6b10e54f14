// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/detail/utf8.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/read_until.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/stream/stream_ops.hpp>

namespace eddy::detail {

/// Splits the bytes of a reader into parts that end with a delimiter. Keeps an incomplete part until its rest arrives.
template <class R, class C>
class delimited_parts {
public:
    delimited_parts(R&& from, std::byte delimiter, std::size_t limit)
        : from_(std::move(from)), limit_(limit), delimiter_(delimiter) {}

    /// Returns the next part, with its delimiter. The last part may lack the delimiter. Returns nullopt at the end.
    poll_result<std::optional<result<C>>> poll_next(context& cx) {
        if (has_ended_) return std::nullopt;
        if (is_skipping_) {
            const auto skipped = poll_skip_until(from_, cx, delimiter_);
            if (!skipped) return not_ready;
            if (!*skipped) return end_with(skipped->error());
            is_skipping_ = false;
        }
        const auto done = poll_read_until(from_, cx, delimiter_, part_, read_, limit_);
        if (!done) return not_ready;
        if (!*done && done->error() == errc::line_too_long) return too_long();
        if (!*done) return end_with(done->error());
        if (read_ == 0) {
            has_ended_ = true;
            return std::nullopt;
        }
        // In place: GCC 12 at -O2 warns, in users' builds, that a moved optional may be uninitialized.
        return poll_result<std::optional<result<C>>>(std::in_place, std::in_place, std::in_place, take());
    }

    static constexpr auto wait_shape() { return inspect::reads_from(&delimited_parts::from_); }

    [[nodiscard]] R& reader() noexcept { return from_; }

private:
    C take() noexcept {
        read_ = 0;
        return std::exchange(part_, C());
    }
    std::optional<result<C>> too_long() {
        static_cast<void>(take());
        is_skipping_ = true;
        return failure(make_error_code(errc::line_too_long));
    }
    std::optional<result<C>> end_with(std::error_code error) {
        has_ended_ = true;
        return failure(error);
    }
    static std::optional<result<C>> failure(std::error_code error) { return result<C>(std::unexpect, error); }

    R from_;
    C part_;
    std::size_t read_ = 0;
    std::size_t limit_;
    std::byte delimiter_;
    bool is_skipping_ = false;  // the rest of a part that was too long is being skipped
    bool has_ended_ = false;
};

/// Returns `limit` plus the size of the line end, which `limit` does not count.
constexpr std::size_t with_end(std::size_t limit, std::size_t size_of_end) noexcept {
    return limit > io::no_limit - size_of_end ? io::no_limit : limit + size_of_end;
}

}  // namespace eddy::detail

namespace eddy::io {

/// A stream of the lines of a reader. Returned by lines().
/// Cancel safety: safe. The stream keeps an incomplete line.
template <class R>
class [[nodiscard]] lines_stream : public stream_ops<lines_stream<R>> {
public:
    using item_type = result<std::string>;

    /// Takes ownership of the reader. A line has at most `limit` bytes.
    lines_stream(R&& from, std::size_t limit)
        : parts_(std::move(from), std::byte{'\n'}, detail::with_end(limit, 2)), limit_(limit) {}

    /// Same as try_next(): returns a future of the next line, or of nothing at the end, in a `result`.
    ///     while (auto line = co_await try_(lines.next_line())) use(*line);
    [[nodiscard]] auto next_line() noexcept { return this->try_next(); }

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        auto next = parts_.poll_next(cx);
        if (!next || !*next || !**next) return next;
        std::string& line = ***next;
        if (line.ends_with('\n')) {
            line.pop_back();
            if (line.ends_with('\r')) line.pop_back();
        }
        if (line.size() > limit_) return failure(errc::line_too_long);
        if (!detail::is_utf8(line)) return failure(errc::invalid_utf8);
        return next;
    }

    /// Returns the reader.
    [[nodiscard]] R& reader() noexcept { return parts_.reader(); }

    static constexpr auto wait_shape() { return inspect::waits_as(&lines_stream::parts_); }

    friend R& awaited_reader(lines_stream& me) noexcept { return me.reader(); }

private:
    static std::optional<item_type> failure(errc code) { return item_type(std::unexpect, make_error_code(code)); }

    detail::delimited_parts<R, std::string> parts_;
    std::size_t limit_;
};

/// A stream of the parts between delimiters. Returned by split().
/// Cancel safety: safe. The stream keeps an incomplete part.
template <class R>
class [[nodiscard]] split_stream : public stream_ops<split_stream<R>> {
public:
    using item_type = result<std::vector<std::byte>>;

    /// Takes ownership of the reader. A part has at most `limit` bytes.
    split_stream(R&& from, std::byte delimiter, std::size_t limit)
        : parts_(std::move(from), delimiter, detail::with_end(limit, 1)), limit_(limit), delimiter_(delimiter) {}

    poll_result<std::optional<item_type>> poll_next(context& cx) {
        auto next = parts_.poll_next(cx);
        if (!next || !*next || !**next) return next;
        std::vector<std::byte>& part = ***next;
        if (part.back() == delimiter_) part.pop_back();
        if (part.size() > limit_) return std::optional(item_type(std::unexpect, make_error_code(errc::line_too_long)));
        return next;
    }

    /// Returns the reader.
    [[nodiscard]] R& reader() noexcept { return parts_.reader(); }

    static constexpr auto wait_shape() { return inspect::waits_as(&split_stream::parts_); }

    friend R& awaited_reader(split_stream& me) noexcept { return me.reader(); }

private:
    detail::delimited_parts<R, std::vector<std::byte>> parts_;
    std::size_t limit_;
    std::byte delimiter_;
};

/// Returns a stream of the lines of a buffered reader, without their line ends ("\n" or "\r\n"). The last line may lack
/// a line end.
///     auto lines = io::lines(io::buf_reader(std::ref(peer)), 1024);
///     while (auto line = co_await lines.next()) use(co_await try_(std::move(*line)));
/// To read and to write lines, see codec::lines_codec.
/// Errors: errc::line_too_long for a line of more than `limit` bytes; the rest of that line is skipped.
/// errc::invalid_utf8 for a line that is not UTF-8. After either of these errors, the stream continues with the next
/// line. An error of the reader is the last item.
/// Cancel safety: safe. The stream keeps an incomplete line.
/// Lifetime: takes ownership of the reader. Pass std::ref(reader) to borrow it.
/// Cost: an allocation for each line of more than 15 bytes.
template <class R>
[[nodiscard]] auto lines(R&& from, std::size_t limit = no_limit) {
    constexpr bool fits = detail::check_given_io<R>() && detail::check_buf_reader<detail::kept_io_t<R>>();
    return detail::make_if<fits, lines_stream<detail::kept_io_t<R>>, detail::broken_stream>(std::forward<R>(from),
                                                                                            limit);
}

/// Returns a stream of the parts between delimiters, as vectors of bytes without the delimiters. Two adjacent
/// delimiters yield an empty vector. A delimiter at the end of the bytes yields no empty last part.
/// Errors: same as lines(), except errc::invalid_utf8.
/// Cancel safety: safe. The stream keeps an incomplete part.
/// Lifetime: takes ownership of the reader. Pass std::ref(reader) to borrow it.
template <class R>
[[nodiscard]] auto split(R&& from, std::byte delimiter, std::size_t limit = no_limit) {
    constexpr bool fits = detail::check_given_io<R>() && detail::check_buf_reader<detail::kept_io_t<R>>();
    return detail::make_if<fits, split_stream<detail::kept_io_t<R>>, detail::broken_stream>(std::forward<R>(from),
                                                                                            delimiter, limit);
}
template <class R>
[[nodiscard]] auto split(R&& from, char delimiter, std::size_t limit = no_limit) {
    return eddy::io::split(std::forward<R>(from), static_cast<std::byte>(delimiter), limit);
}

}  // namespace eddy::io
