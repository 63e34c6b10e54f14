// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>
#include <eddy/detail/delimiter_search.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>
#include <eddy/io/read_until.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

/// Lines of text. What comes may end with "\n" or "\r\n", and the last line with "\r" or nothing; what goes is ended
/// with "\n". If more comes after the end, as in a file that grows, it begins the next line; but a "\n" belongs to the
/// "\r" before it. Errors, both of one line only: the next one is the next frame. errc::line_too_long for more than
/// `max_length` bytes, as soon as so many have come: the rest is dropped as it comes. errc::invalid_utf8. Cost: an
/// allocation for a line of more than 15 bytes. No byte is searched twice.
class EDDY_API lines_codec {
public:
    explicit lines_codec(std::size_t max_length = io::no_limit) noexcept : max_length_(max_length) {}

    result<std::optional<std::string>> decode(bytes_mut& from);
    result<std::optional<std::string>> decode_eof(bytes_mut& from);
    // NOLINTNEXTLINE(readability-convert-member-functions-to-static): a codec has members
    [[nodiscard]] bool goes_on_after(std::error_code error) const noexcept {
        return error == errc::line_too_long || error == errc::invalid_utf8;
    }

    /// The line must have no "\n" in it, else it is several. Cost: a copy.
    result<void> encode(std::string_view line, bytes_mut& into);

    [[nodiscard]] std::size_t max_length() const noexcept { return max_length_; }

private:
    friend struct detail::frame_finder;

    /// A line that lies at the front of a buffer, with its end.
    class found_line {
    public:
        found_line(bytes_mut& from, std::size_t size, std::size_t with_end) noexcept
            : from_(&from), size_(size), with_end_(with_end) {}
        // NOLINTNEXTLINE(google-explicit-constructor): so that an optional's value is made of it
        operator std::string() && {
            std::string line(from_->text().substr(0, size_));  // may throw: the line is there still then
            from_->advance(with_end_);
            return line;
        }

    private:
        bytes_mut* from_;
        std::size_t size_;
        std::size_t with_end_;
    };

    // In sight of whoever reads frames: it is less than the call of a function that answers this through memory.
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
    void begin_anew() noexcept {
        search_ = {};
        half_ended_ = false;
    }

    /// The line of `size` bytes at the front, with what it ends with.
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
    /// Nothing yet, unless what has come is too long already.
    result<std::optional<found_line>> unfinished(bytes_mut& from);
    static result<std::optional<found_line>> refused(bytes_mut& from, std::size_t with_end, errc why);

    /// Where the first "\n" is, or the size.
    static std::size_t find_newline(std::span<const std::byte> in) noexcept {
        const detail::delimited part(in, std::byte{'\n'});
        return part.is_complete ? part.size - 1 : part.size;
    }
    void drop_other_half(bytes_mut& from);
    /// With room for "\r", which does not count.
    static std::size_t with_return(std::size_t limit) noexcept { return limit == io::no_limit ? limit : limit + 1; }

    detail::delimiter_search search_;
    bool half_ended_ = false;  // the bytes ended with a "\r", which was taken
    std::size_t max_length_;
};

}  // namespace eddy::codec

template <>
inline constexpr bool eddy::detail::finds_frames<eddy::codec::lines_codec> = true;
