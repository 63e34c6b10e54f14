// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

namespace mini_redis {

/// The reason why a command failed.
enum class fault {
    wrong_type,
    no_integer,
    no_positive_integer,  ///< a count that is negative or not a number
    overflow,
    syntax,
    too_long,  ///< a string would exceed its limit
};

/// Returns the exact error text of Redis, since clients compare it.
[[nodiscard]] constexpr std::string_view text_of(fault what) noexcept {
    switch (what) {
    case fault::wrong_type: return "WRONGTYPE Operation against a key holding the wrong kind of value";
    case fault::no_integer: return "ERR value is not an integer or out of range";
    case fault::no_positive_integer: return "ERR value is out of range, must be positive";
    case fault::overflow: return "ERR increment or decrement would overflow";
    case fault::syntax: return "ERR syntax error";
    case fault::too_long: return "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    }
    return "ERR";
}

}  // namespace mini_redis
