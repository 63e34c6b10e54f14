// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>
#include <type_traits>

namespace mini_redis {

/// What is wrong with bytes that were to be RESP. The messages are those that Redis answers with; nothing can be read
/// from a connection after one of these, since where the next frame begins is not known.
enum class resp_errc {
    bad_array_length = 1,   ///< of a request: no number, or over the limit
    bad_bulk_length,        ///< no number, negative, or over the limit
    array_length_too_long,  ///< no end of line after 64 KiB
    bulk_length_too_long,
    line_too_long,      ///< a request that is a line, without an end
    unbalanced_quotes,  ///< in such a line
    frame_too_large,    ///< all words together are over the limit
    unknown_type,       ///< a reply that begins with none of + - : $ *
    bad_number,         ///< in a reply
    nested_too_deep,    ///< arrays in arrays in a reply
    no_dollar = 256,    ///< where a word was to begin is the byte `value - no_dollar`
};

std::error_code make_error_code(resp_errc what) noexcept;

}  // namespace mini_redis

template <>
struct std::is_error_code_enum<mini_redis::resp_errc> : std::true_type {};
