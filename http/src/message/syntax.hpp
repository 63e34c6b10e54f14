// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <eddy/bytes/detail/byte_order.hpp>

// The syntax of the texts in HTTP (RFC 9110) and in URLs (RFC 3986): characters, hosts, dates, base64. Also the
// texts for logs.

namespace eddy::detail {

[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
[[nodiscard]] constexpr bool is_letter(char c) noexcept { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; }
[[nodiscard]] constexpr char to_lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}
/// Returns the text in lower case.
[[nodiscard]] std::string lower_case(std::string_view text);
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

// ---- Hosts ----

/// The texts in "host", "host:port" or "[::1]:port".
struct host_texts {
    std::string_view host;  // without brackets
    std::string_view port;  // digits; empty if there is no port

    host_texts(std::string_view name, std::string_view digits) noexcept : host(name), port(digits) {}
};

/// Splits the value of a Host field. Returns nullopt if it does not have the form "uri-host [ : port ]" of RFC 9110,
/// section 7.2. The host may be empty. The port may be any number, also 0 or 65536.
[[nodiscard]] std::optional<host_texts> split_host(std::string_view text) noexcept;

/// The parts of "host", "host:port" or "[::1]:port", for a connection.
struct host_parts {
    std::string_view host;              // without brackets
    std::optional<std::uint16_t> port;  // nullopt if there is none

    host_parts(std::string_view name, std::optional<std::uint16_t> number) noexcept : host(name), port(number) {}
};

/// Same as split_host(), for the host and the port of a URL. Returns nullopt also if the port is not in [1, 65535].
[[nodiscard]] std::optional<host_parts> parse_host(std::string_view text) noexcept;

/// Returns a host as it is compared: in lower case, and an IPv6 address in the form of RFC 5952.
[[nodiscard]] std::string canonical_host(std::string_view host);

/// Removes the period after an absolute name: "example.org.".
[[nodiscard]] constexpr std::string_view without_last_period(std::string_view host) noexcept {
    if (host.ends_with('.')) host.remove_suffix(1);
    return host;
}

/// Returns whether a client can connect to a host: it is an address, or a name of labels that are not empty. A name
/// such as ".example.org" would match the certificate of each host of the domain.
[[nodiscard]] bool can_be_server(std::string_view host) noexcept;

/// Returns whether a host is this machine: a loopback address, or a name in the domain localhost (RFC 6761).
[[nodiscard]] bool is_loopback(std::string_view host) noexcept;

// ---- Dates ----

/// A date as header fields have it: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7).
using date_text = std::array<char, 29>;

/// Formats a time in seconds since 1970, from the years 0 to 9999.
[[nodiscard]] date_text format_date(std::int64_t seconds) noexcept;
/// Parses a date in one of the three forms of RFC 9110, section 5.6.7: the form of format_date(), and the obsolete ones
/// of RFC 850 and asctime(3). Returns nullopt for any other text. The form of RFC 850 has two digits of the year: it is
/// the last such year that is at most 50 years after `now`, a time in seconds since 1970.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) noexcept;
/// Same, at the current time.
[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text) noexcept;
/// Returns the time as the Date field needs it: "Sun, 06 Nov 1994 08:49:37 GMT". The text is valid until the next call
/// on this thread.
[[nodiscard]] std::string_view current_date();

// ---- Base64 ----

inline constexpr std::string_view base64_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Returns bytes as base64 (RFC 4648, section 4).
[[nodiscard]] inline std::string base64(std::span<const unsigned char> bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto count = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) group = group << 8u | (k < count ? bytes[i + k] : 0u);
        for (std::size_t k = 0; k < 4; ++k) text += k <= count ? base64_digits[group >> (18 - 6 * k) & 63u] : '=';
    }
    return text;
}

// ---- Texts for logs and for people ----

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
