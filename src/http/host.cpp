// SPDX-License-Identifier: MIT
#include "http/host.hpp"

#include <algorithm>
#include <limits>

#include "http/characters.hpp"

namespace eddy::inline v0_1::detail {
namespace {

bool is_address_character(char c) noexcept { return hex_value(c) >= 0 || c == ':' || c == '.'; }

/// Parses the text after the colon of "host:port". Returns whether it is valid. Leaves `port` empty if the text is
/// empty, which means the default port.
bool parse_port(std::string_view text, std::optional<std::uint16_t>& port) noexcept {
    if (text.empty()) return true;
    std::uint32_t number = 0;  // std::from_chars() takes three times as long, and a server parses this for each request
    for (const char c : text) {
        if (!is_digit(c)) return false;
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
        if (number > std::numeric_limits<std::uint16_t>::max()) return false;
    }
    if (number == 0) return false;
    port = static_cast<std::uint16_t>(number);
    return true;
}

}  // namespace

std::optional<host_parts> parse_host(std::string_view text) noexcept {
    host_parts parts({}, std::nullopt);
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        parts.host = text.substr(1, end - 1);
        if (parts.host.find(':') == std::string_view::npos) return std::nullopt;
        if (!std::ranges::all_of(parts.host, is_address_character)) return std::nullopt;
        text.remove_prefix(end + 1);
    } else {
        std::size_t size = 0;
        while (size != text.size() && host_characters.contains(text[size])) ++size;
        parts.host = text.substr(0, size);
        text.remove_prefix(parts.host.size());
    }
    if (!text.empty() && (text.front() != ':' || !parse_port(text.substr(1), parts.port))) return std::nullopt;
    return parts;
}

}  // namespace eddy::detail
