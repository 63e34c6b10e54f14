// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/detail/delimiter_search.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/io/read_until.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

/// A codec for frames that end with any one of several bytes. `any_delimiter_codec(";,\n", ";")` reads up to any of the
/// three bytes, and writes ";" after each frame. Between two adjacent delimiters there is an empty frame. Bytes after
/// the last delimiter are the last frame, if there are any.
/// Errors: errc::line_too_long for a frame of more than `max_length` bytes, as in lines_codec. Decoding continues with
/// the next frame.
/// Cost: frames share the buffer. No byte is searched twice.
class EDDY_API any_delimiter_codec {
public:
    /// The default item type of the sink of framed::split().
    using sent_type = bytes;

    /// Creates a codec. Each byte of `delimiters` ends a frame; `written` is written after each frame. `max_length` is
    /// in bytes.
    explicit any_delimiter_codec(std::string_view delimiters = ",;\n\r", std::string_view written = ",",
                                 std::size_t max_length = io::no_limit);

    /// The decoder functions; see decoder. decode() returns nothing until a delimiter has been received. Decoding
    /// continues after errc::line_too_long.
    result<std::optional<bytes>> decode(bytes_mut& from);
    result<std::optional<bytes>> decode_eof(bytes_mut& from);
    // NOLINTNEXTLINE(readability-convert-member-functions-to-static): part of the codec interface
    [[nodiscard]] bool can_continue_after(std::error_code error) const noexcept { return error == errc::line_too_long; }

    /// Appends `frame` and the written delimiter to `into`. Does not fail. Does not check whether `frame` contains a
    /// delimiter.
    result<void> encode(std::span<const std::byte> frame, bytes_mut& into);
    result<void> encode(std::string_view frame, bytes_mut& into);

    /// Returns the largest length of a frame, in bytes.
    [[nodiscard]] std::size_t max_length() const noexcept { return max_length_; }

private:
    detail::delimiter_search search_;
    std::array<bool, 256> is_delimiter_{};
    std::string written_;
    std::size_t max_length_;
};

}  // namespace eddy::codec
