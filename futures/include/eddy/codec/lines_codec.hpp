// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>
#include <eddy/codec/detail/delimiter_search.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>
#include <eddy/io/read_until.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

/// A codec for lines of text. A received line may end with "\n" or "\r\n"; the last line may also end with "\r" or
/// nothing. Sent lines end with "\n". If there are more bytes after the end, as in a file that grows, they start a new
/// line, except that a "\n" still belongs to a "\r" before it.
/// Errors: errc::line_too_long as soon as more than `max_length` bytes of a line were received; the rest of the line is
/// discarded. errc::invalid_utf8 for a line that is not valid UTF-8. Decoding continues with the next line.
/// Cost: one allocation for a line of more than 15 bytes. No byte is searched twice.
class EDDY_API lines_codec {
public:
    /// Creates a codec. `max_length` is in bytes, without the line ending.
    explicit lines_codec(std::size_t max_length = io::no_limit) noexcept : max_length_(max_length) {}

    /// The decoder functions; see decoder. Decoding continues after errc::line_too_long and errc::invalid_utf8.
    result<std::optional<std::string>> decode(bytes_mut& from);
    result<std::optional<std::string>> decode_eof(bytes_mut& from);
    // NOLINTNEXTLINE(readability-convert-member-functions-to-static): part of the codec interface
    [[nodiscard]] bool can_continue_after(std::error_code error) const noexcept {
        return error == errc::line_too_long || error == errc::invalid_utf8;
    }

    /// Appends `line` and "\n" to `into`. Does not fail.
    /// Preconditions: `line` contains no "\n"; otherwise the peer receives several lines.
    /// Cost: one copy.
    result<void> encode(std::string_view line, bytes_mut& into);

    /// Returns the largest length of a line, in bytes.
    [[nodiscard]] std::size_t max_length() const noexcept { return max_length_; }

private:
    friend struct detail::frame_finder;

    /// A line at the front of a buffer, with its line ending. The conversion removes the line from the buffer.
    class found_line {
    public:
        found_line(bytes_mut& from, std::size_t size, std::size_t with_end) noexcept
            : from_(&from), size_(size), with_end_(with_end) {}
        // NOLINTNEXTLINE(google-explicit-constructor): std::optional constructs its value from this
        operator std::string() && {
            std::string line(from_->text().substr(0, size_));  // if this throws, the line stays in the buffer
            from_->advance(with_end_);
            return line;
        }

    private:
        bytes_mut* from_;
        std::size_t size_;
        std::size_t with_end_;
    };

    // Inlined into the code that reads frames: that costs less than a function that returns this result through memory.
    [[gnu::always_inline]] result<std::optional<found_line>> find(bytes_mut& from) {
        using answer = result<std::optional<found_line>>;
        if (half_ended_) [[unlikely]]
            drop_other_half(from);
        const auto end = search_.next(from, with_return(max_length_), find_newline);
        if (!end) [[unlikely]]
            return answer(std::unexpect, end.error());
        if (!*end) return unfinished(from);
        return checked(from, **end, **end + 1);
    }
    result<std::optional<found_line>> find_eof(bytes_mut& from);
    void reset() noexcept {
        search_ = {};
        half_ended_ = false;
    }

    /// Checks the line of `size` bytes at the front. `with_end` is its size with the line ending.
    [[nodiscard, gnu::always_inline]] result<std::optional<found_line>> checked(bytes_mut& from, std::size_t size,
                                                                                std::size_t with_end) const {
        using answer = result<std::optional<found_line>>;
        auto line = from.text().substr(0, size);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.size() > max_length_) [[unlikely]]
            return refused(from, with_end, errc::line_too_long);
        if (!detail::is_utf8(line)) [[unlikely]]
            return refused(from, with_end, errc::invalid_utf8);
        return answer(std::in_place, std::in_place, from, line.size(), with_end);
    }
    /// Returns nothing, or an error if the received part is already too long.
    result<std::optional<found_line>> unfinished(bytes_mut& from);
    static result<std::optional<found_line>> refused(bytes_mut& from, std::size_t with_end, errc why);

    /// Returns the position of the first "\n", or the size.
    static std::size_t find_newline(std::span<const std::byte> in) noexcept {
        const detail::delimited part(in, std::byte{'\n'});
        return part.is_complete ? part.size - 1 : part.size;
    }
    void drop_other_half(bytes_mut& from);
    /// Returns `limit` plus one, because a "\r" at the end of a line does not count toward the limit.
    static std::size_t with_return(std::size_t limit) noexcept { return limit == io::no_limit ? limit : limit + 1; }

    detail::delimiter_search search_;
    bool half_ended_ = false;  // the bytes ended with a "\r", which was removed
    std::size_t max_length_;
};

}  // namespace eddy::codec

template <>
inline constexpr bool eddy::detail::finds_frames<eddy::codec::lines_codec> = true;
