// SPDX-License-Identifier: MIT
#include "message/host.hpp"

#include <algorithm>
#include <cstddef>
#include <limits>

#include <eddy/net/socket_addr.hpp>

#include "message/characters.hpp"

namespace eddy::detail {
namespace {

/// Returns whether `host` contains only the characters of a name, and each "%" begins a percent-encoded byte.
bool is_reg_name(std::string_view host) noexcept {
    for (std::size_t i = 0; i < host.size(); ++i) {
        if (host_characters.contains(host[i])) continue;
        if (host[i] != '%' || host.size() - i < 3) return false;
        if (hex_value(host[i + 1]) < 0 || hex_value(host[i + 2]) < 0) return false;
        i += 2;
    }
    return true;
}

/// Parses a port. Returns whether it can be connected to. Leaves `port` empty if the text is empty, which means the
/// default port.
/// Preconditions: `text` contains only digits.
bool parse_port(std::string_view text, std::optional<std::uint16_t>& port) noexcept {
    if (text.empty()) return true;
    std::uint32_t number = 0;
    for (const char c : text) {
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
        if (number > std::numeric_limits<std::uint16_t>::max()) return false;
    }
    if (number == 0) return false;
    port = static_cast<std::uint16_t>(number);
    return true;
}

}  // namespace

std::optional<host_texts> split_host(std::string_view text) noexcept {
    host_texts parts({}, {});
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        parts.host = text.substr(1, end - 1);
        if (!net::ipv6_addr::parse(parts.host)) return std::nullopt;
        text.remove_prefix(end + 1);
    } else {
        parts.host = text.substr(0, text.find(':'));
        if (!is_reg_name(parts.host)) return std::nullopt;
        text.remove_prefix(parts.host.size());
    }
    if (text.empty()) return parts;
    parts.port = text.substr(1);
    if (text.front() != ':' || !std::ranges::all_of(parts.port, is_digit)) return std::nullopt;
    return parts;
}

std::optional<host_parts> parse_host(std::string_view text) noexcept {
    const auto texts = split_host(text);
    if (!texts) return std::nullopt;
    host_parts parts(texts->host, std::nullopt);
    if (!parse_port(texts->port, parts.port)) return std::nullopt;
    return parts;
}

bool can_be_server(std::string_view host) noexcept {
    if (host.ends_with('.')) host.remove_suffix(1);  // of an absolute name
    return !host.empty() && !host.starts_with('.') && !host.ends_with('.') && !host.contains("..");
}

}  // namespace eddy::detail
