// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/bytes.hpp>
#include <eddy/bytes_mut.hpp>
#include <eddy/detail/delimiter_search.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/io/read_until.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

/// Frames that any one of several bytes ends: `any_delimiter_codec(";,\n", ";")` reads up to each of the three, and
/// writes ";" behind what goes. Two delimiters have an empty frame between them; behind the last one comes what is
/// left, if there is any. Errors: errc::line_too_long for more than `max_length` bytes, as with lines_codec: the next
/// frame is found. Cost: frames share the buffer. No byte is searched twice.
class EDDY_API any_delimiter_codec {
public:
    using sent_type = bytes;

    explicit any_delimiter_codec(std::string_view delimiters = ",;\n\r", std::string_view written = ",",
                                 std::size_t max_length = io::no_limit);

    result<std::optional<bytes>> decode(bytes_mut& from);
    result<std::optional<bytes>> decode_eof(bytes_mut& from);
    // NOLINTNEXTLINE(readability-convert-member-functions-to-static): a codec has members
    [[nodiscard]] bool goes_on_after(std::error_code error) const noexcept { return error == errc::line_too_long; }

    result<void> encode(std::span<const std::byte> frame, bytes_mut& into);
    result<void> encode(std::string_view frame, bytes_mut& into);

    [[nodiscard]] std::size_t max_length() const noexcept { return max_length_; }

private:
    detail::delimiter_search search_;
    std::array<bool, 256> is_delimiter_{};
    std::string written_;
    std::size_t max_length_;
};

}  // namespace eddy::codec
