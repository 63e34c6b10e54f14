// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mini_redis {

/// The words of a line that a person has typed: `SET greeting "hello\r\n" 'it\'s'`. In double quotes \n, \r, \t, \b, \a
/// and \xff are what they are in C. Nothing if a quote is not closed, or is closed in the middle of a word.
[[nodiscard]] std::optional<std::vector<std::string>> split_words(std::string_view line);

}  // namespace mini_redis
