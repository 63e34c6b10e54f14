// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <eddy/detail/byte_order.hpp>

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

/// Returns whether the target of a request may contain `c`: printable ASCII except "#".
[[nodiscard]] constexpr bool is_target_character(char c) noexcept { return c > 0x20 && c < 0x7f && c != '#'; }

/// The sets of characters. Each is a bit in one table, so contains() costs one load, and the sets share cache lines.
enum character_bit : unsigned char { in_token = 1, in_value = 2, in_host = 4, in_target = 8 };

inline constexpr std::array<unsigned char, 256> character_bits = [] {
    std::array<unsigned char, 256> all{};
    for (unsigned i = 0; i < all.size(); ++i) {
        const auto c = static_cast<char>(i);
        const bool is_name = is_digit(c) || is_letter(c);
        if (is_name || std::string_view("!#$%&'*+-.^_`|~").contains(c)) all[i] |= in_token;
        if ((i >= 0x20 && i != 0x7f) || c == '\t') all[i] |= in_value;
        if (is_name || std::string_view("-._~!$&'()*+,;=").contains(c)) all[i] |= in_host;
        if (is_target_character(c)) all[i] |= in_target;
    }
    return all;
}();

/// The set of the characters that have `Bit` in the table.
template <character_bit Bit>
struct character_set {
    [[nodiscard]] static constexpr bool contains(char c) noexcept {
        return (character_bits[static_cast<unsigned char>(c)] & Bit) != 0;
    }
};

/// The characters of a token.
inline constexpr character_set<in_token> token_characters;
/// The characters of the value of a header field: no control character except tab.
inline constexpr character_set<in_value> value_characters;
/// The characters of the name or the IPv4 address of a host, without "%", which begins a percent-encoded byte.
inline constexpr character_set<in_host> host_characters;
/// The characters for which is_target_character() returns true.
inline constexpr character_set<in_target> target_characters;

/// Returns whether `text` is a token: the name of a header field, or a method.
[[nodiscard]] constexpr bool is_token(std::string_view text) noexcept {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return token_characters.contains(c); });
}

/// Returns the first character in [at, end) that the value of a header field must not contain, or `end`.
[[nodiscard]] inline const char* find_end_of_value(const char* at, const char* end) noexcept {
    constexpr std::uint64_t ones = 0x0101010101010101;
    constexpr std::uint64_t high_bits = 0x80 * ones;
    while (end - at >= 8) {
        std::array<std::byte, 8> eight;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by memcpy
        std::memcpy(eight.data(), at, 8);
        const auto word = number_of<std::uint64_t, std::endian::little>(eight);
        // The lowest high bit that is set belongs to the first byte below 0x20, or equal to 0x7f. Bits above it may be
        // wrong, because the subtractions borrow. See "Bit Twiddling Hacks", "Determine if a word has a byte less than
        // n".
        const std::uint64_t without_delete = word ^ (0x7f * ones);
        const std::uint64_t controls =
            (((word - 0x20 * ones) & ~word) | ((without_delete - ones) & ~without_delete)) & high_bits;
        if (controls == 0) {
            at += 8;
            continue;
        }
        at += std::countr_zero(controls) / 8;
        if (*at != '\t') return at;
        ++at;
    }
    while (at != end && value_characters.contains(*at)) ++at;
    return at;
}

/// Returns a copy of `text` in which each byte for which `stays(char)` returns false is percent-encoded.
template <class Predicate>
[[nodiscard]] std::string encode_bytes(std::string_view text, Predicate stays) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (stays(c)) {
            encoded += c;
        } else {
            encoded.append("%").append(1, digits[byte / 16]).append(1, digits[byte % 16]);
        }
    }
    return encoded;
}

[[nodiscard]] constexpr bool is_value(std::string_view text) noexcept {
    return std::ranges::all_of(text, [](char c) { return value_characters.contains(c); });
}
[[nodiscard]] constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t'; }
/// Returns `text` without spaces and tabs at its ends.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) noexcept {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// Removes the part of `text` up to the next `delimiter`, and returns it without the delimiter.
[[nodiscard]] constexpr std::string_view take_part(std::string_view& text, char delimiter) noexcept {
    const auto end = text.find(delimiter);
    const auto part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    return part;
}

}  // namespace eddy::detail
