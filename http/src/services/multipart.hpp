// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/http/headers.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// Returns a parameter of a field such as Content-Type or Content-Disposition, whose value begins with its type:
/// `form-data; name="a"`. Returns nullopt if there is no such parameter. In quotes, a backslash before a quote or a
/// backslash is omitted. Others stay, because browsers do not escape a backslash: a quote after one ends the text if it
/// ends the parameter, as in `filename="a\"; x=y`.
/// Errors: http::errc::bad_form if the field is malformed before the parameter, or in it.
[[nodiscard]] result<std::optional<std::string>> field_parameter(std::string_view field, std::string_view name);

/// Splits a multipart body (RFC 2046, section 5.1) without I/O. It has no buffer: the caller keeps the bytes that
/// receive() leaves in the input, and appends more.
///
///     start ──delimiter──> delimited ──CR LF──> headers ──part──> first_line ──> content ──end_of_part──┐
///       │                    ^  └──"--"──> over                       └─────end_of_part─────────────────┤
///       └──> preamble ───────┴──────────────────────────────────────────────────────────────────────────┘
///
/// It is strict: white space and more after a delimiter, and a malformed header field, are failures.
class multipart_decoder {
public:
    enum class event : unsigned char {
        incomplete,   // receive() needs more bytes
        part,         // a part begins: headers()
        data,         // bytes of the part: data()
        end_of_part,  //
        end,          // the last part has ended; what follows has no meaning
        failed        // the body is malformed
    };

    /// `header_limit` is the maximum number of bytes of the header fields of a part.
    multipart_decoder(std::string_view boundary, std::size_t header_limit)
        : delimiter_("\r\n--" + std::string(boundary)), header_limit_(header_limit) {}

    /// Parses up to the next event, and removes what it has parsed from the front of the input.
    [[nodiscard]] event receive(std::string_view& input);
    /// Returns the bytes of event::data. They are a part of the input.
    [[nodiscard]] std::string_view data() const noexcept { return data_; }
    /// Returns the header fields of the part.
    [[nodiscard]] http::headers& headers() noexcept { return headers_; }

private:
    enum class state : unsigned char { start, preamble, delimited, headers, first_line, content, over };

    event take_first_delimiter(std::string_view& input, state otherwise);
    event skip_preamble(std::string_view& input);
    event parse_delimiter_end(std::string_view& input);
    event parse_headers(std::string_view& input);
    event take_content(std::string_view& input);
    [[nodiscard]] bool add_header(std::string_view line);

    std::string delimiter_;
    std::size_t header_limit_;
    std::size_t header_bytes_ = 0;  // of this part
    http::headers headers_;
    std::string_view data_;
    state at_ = state::start;
};

}  // namespace eddy::detail
