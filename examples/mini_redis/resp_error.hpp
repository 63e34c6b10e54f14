// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>
#include <type_traits>

namespace mini_redis {

/// Errors of the RESP protocol. The messages are those of Redis. A connection cannot be read after such an error, since
/// the start of the next codec frame is unknown.
enum class resp_errc {
    bad_array_length = 1,   ///< of a request: not a number, or above the limit
    bad_bulk_length,        ///< not a number, negative, or above the limit
    array_length_too_long,  ///< no end of line within the limit
    bulk_length_too_long,
    line_too_long,      ///< an inline request without an end of line
    unbalanced_quotes,  ///< in an inline request
    frame_too_large,    ///< the request or reply is above the limit
    unknown_type,       ///< the first byte of a reply is not one of + - : $ *
    bad_number,         ///< in a reply
    nested_too_deep,    ///< too many nested arrays in a reply
    no_dollar = 256,    ///< a word begins with the byte `value - no_dollar`, not with $
};

std::error_code make_error_code(resp_errc what) noexcept;

}  // namespace mini_redis

template <>
struct std::is_error_code_enum<mini_redis::resp_errc> : std::true_type {};
