// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/bytes_mut.hpp>
#include <eddy/detail/delimiter_search.hpp>
#include <eddy/io/read_until.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

/// Lines of text. What comes may end with "\n" or "\r\n", and the last line with "\r" or nothing; what goes is ended with "\n".
/// Errors, both of one line only: the next one is the next frame. errc::line_too_long for more than `max_length` bytes, as soon
/// as so many have come: the rest is dropped as it comes. errc::invalid_utf8.
/// Cost: an allocation for a line of more than 15 bytes. No byte is searched twice.
class lines_codec {
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
    [[nodiscard]] result<std::optional<std::string>> checked(std::string_view line) const;

    detail::delimiter_search search_;
    std::size_t max_length_;
};

}  // namespace eddy::codec
