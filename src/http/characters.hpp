// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

// The classes of characters in RFC 9110 and RFC 3986.

namespace eddy::detail {

[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_letter(char c) noexcept { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
[[nodiscard]] constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
/// Returns the value of a hexadecimal digit, or -1.
[[nodiscard]] constexpr int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char lower = to_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

inline constexpr auto token_characters = [] {
    std::array<bool, 256> all{};
    for (int c = 0; c < 256; ++c) {
        const auto as_char = static_cast<char>(c);
        all[static_cast<unsigned>(c)] = is_digit(as_char) || is_letter(as_char);
    }
    for (const char c : std::string_view("!#$%&'*+-.^_`|~")) all[static_cast<unsigned char>(c)] = true;
    return all;
}();

/// Returns whether `text` is a token: the name of a header field, or a method.
[[nodiscard]] constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() &&
           std::ranges::all_of(text, [](char c) { return token_characters[static_cast<unsigned char>(c)]; });
}
/// Returns whether the value of a header field may contain `c`: no control character except tab.
[[nodiscard]] constexpr bool is_value_character(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7f) || c == '\t';
}
[[nodiscard]] constexpr bool is_value(std::string_view text) noexcept {
    return std::ranges::all_of(text, is_value_character);
}
/// Returns whether the target of a request may contain `c`: printable ASCII except "#".
[[nodiscard]] constexpr bool is_target_character(char c) noexcept { return c > 0x20 && c < 0x7f && c != '#'; }

/// Returns `text` without spaces and tabs at its ends.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) noexcept {
    constexpr std::string_view spaces = " \t";
    const auto begin = text.find_first_not_of(spaces);
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(spaces) - begin + 1);
}

/// Removes the part of `text` up to the next `delimiter`, and returns it without the delimiter.
[[nodiscard]] constexpr std::string_view take_part(std::string_view& text, char delimiter) noexcept {
    const auto end = text.find(delimiter);
    const auto part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return part;
}

}  // namespace eddy::detail
