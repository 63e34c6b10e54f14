// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mini_redis {

/// Splits an inline request into words: `SET greeting "hello\r\n" 'it\'s'`. In double quotes \n, \r, \t, \b, \a and
/// \xff are escapes as in C. Returns nullopt if a quote is not closed, or is closed in the middle of a word.
[[nodiscard]] std::optional<std::vector<std::string>> split_words(std::string_view line);

}  // namespace mini_redis
