// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// Texts for logs and for people.

namespace eddy::detail {

/// Returns at most 200 bytes of `text`, in which '?' stands for each byte that is not ASCII from `least` to '~'.
[[nodiscard]] inline std::string printable(std::string_view text, char least) {
    std::string all(text.substr(0, 200));
    for (char& c : all)
        if (c < least || c > '~') c = '?';
    return all;
}

/// The maximum length of an X-Request-Id that a server accepts or logs.
inline constexpr std::size_t most_of_id = 128;

/// Returns a number with `digits` digits after the period: 1500 and 3 become "1.500". std::to_string(double) depends on
/// the locale.
[[nodiscard]] inline std::string to_decimal(std::uint64_t number, std::size_t digits) {
    std::string text(digits + 1, '0');
    std::size_t at = text.size();
    for (std::size_t i = 0; i < digits; ++i, number /= 10) text[--at] = static_cast<char>('0' + number % 10);
    text[0] = '.';
    return std::to_string(number) + text;
}

}  // namespace eddy::detail
