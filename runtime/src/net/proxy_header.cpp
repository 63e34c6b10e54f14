// SPDX-License-Identifier: MIT
#include "net/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace eddy::detail {
namespace {

using bytes = std::span<const std::byte>;

std::unexpected<std::error_code> bad() noexcept {
    return std::unexpected(std::make_error_code(std::errc::bad_message));
}

/// Returns whether `begin` and `of` agree in as many bytes as both have.
bool agree(std::string_view begin, std::string_view of) noexcept {
    const std::size_t common = std::min(begin.size(), of.size());
    return begin.substr(0, common) == of.substr(0, common);
}

// SAFETY: any object may be seen as characters.
std::string_view text_of(bytes from) noexcept { return {reinterpret_cast<const char*>(from.data()), from.size()}; }

std::uint16_t big_endian(bytes two) noexcept {
    return static_cast<std::uint16_t>(std::to_integer<unsigned>(two[0]) << 8 | std::to_integer<unsigned>(two[1]));
}

// ---- Version 1: PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n ----

constexpr std::string_view v1_begin = "PROXY ";
constexpr std::size_t v1_longest = 107;
constexpr std::string_view v1_shortest = "PROXY UNKNOWN\r\n";
constexpr std::string_view v1_end = "\r\n";

result<std::size_t> missing_of_v1(std::string_view begin) noexcept {
    if (begin.size() < v1_shortest.size()) return v1_shortest.size() - begin.size();
    if (begin.ends_with(v1_end)) return 0;
    const std::size_t missing = begin.back() == v1_end.front() ? 1 : 2;
    if (begin.find(v1_end.back()) != std::string_view::npos || begin.size() + missing > v1_longest) return bad();
    return missing;
}

/// Takes the word before the next space off `line`.
std::string_view take_word(std::string_view& line) noexcept {
    const std::string_view word = line.substr(0, line.find(' '));
    line.remove_prefix(std::min(word.size() + 1, line.size()));
    return word;
}

result<net::socket_addr> addr_of(std::string_view host, std::string_view port, bool is_v4) noexcept {
    const auto ip = net::ip_addr::parse(host);
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool is_number = !port.empty() && error == std::errc() && end == port.data() + port.size();
    if (!ip || ip->is_ipv4() != is_v4 || !is_number || (port.size() > 1 && port.front() == '0')) return bad();
    return net::socket_addr(*ip, number);
}

result<proxy_header> parse_v1(std::string_view line) noexcept {
    line.remove_prefix(v1_begin.size());
    line.remove_suffix(v1_end.size());
    const std::string_view family = take_word(line);
    if (family == "UNKNOWN") return proxy_header();  // what follows is to be ignored
    if (family != "TCP4" && family != "TCP6") return bad();
    const std::string_view source = take_word(line);
    const std::string_view destination = take_word(line);
    const std::string_view source_port = take_word(line);
    const bool is_v4 = family == "TCP4";
    const auto client = addr_of(source, source_port, is_v4);
    if (!client || !addr_of(destination, line, is_v4)) return bad();
    return proxy_header(*client);
}

// ---- Version 2: a signature, version and command, family, and the number of bytes that follow ----

constexpr std::string_view v2_begin("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t v2_fixed = 16;

constexpr unsigned v2_local = 0x20;
constexpr unsigned v2_proxy = 0x21;

result<std::size_t> missing_of_v2(bytes begin) noexcept {
    if (begin.size() < v2_fixed) return v2_fixed - begin.size();
    const std::size_t follow = big_endian(begin.subspan(14, 2));
    return v2_fixed + follow - std::min(begin.size(), v2_fixed + follow);
}

/// Reads an address and, behind both addresses, its port.
template <class Addr>
result<proxy_header> parse_addrs(bytes from) noexcept {
    typename Addr::octets_type octets;
    if (from.size() < 2 * (octets.size() + sizeof(std::uint16_t))) return bad();
    std::ranges::transform(from.first(octets.size()), octets.begin(),
                           [](std::byte b) { return std::to_integer<std::uint8_t>(b); });
    return proxy_header(net::socket_addr(Addr(octets), big_endian(from.subspan(2 * octets.size(), 2))));
}

result<proxy_header> parse_v2(bytes whole) noexcept {
    const auto command = std::to_integer<unsigned>(whole[12]);
    if (command == v2_local) return proxy_header();
    if (command != v2_proxy) return bad();
    const bytes rest = whole.subspan(v2_fixed);
    switch (std::to_integer<unsigned>(whole[13])) {
    case 0x11: return parse_addrs<net::ipv4_addr>(rest);  // TCP over IPv4
    case 0x21: return parse_addrs<net::ipv6_addr>(rest);  // TCP over IPv6
    case 0x00:                                            // unknown
    case 0x31: return proxy_header();                     // a Unix socket
    default: return bad();
    }
}

}  // namespace

result<std::size_t> missing_of_proxy_header(bytes begin) noexcept {
    const std::string_view text = text_of(begin);
    if (agree(text, v2_begin)) return begin.empty() ? std::min(v2_fixed, v1_shortest.size()) : missing_of_v2(begin);
    if (agree(text, v1_begin)) return missing_of_v1(text);
    return bad();
}

proxy_header::proxy_header(const net::socket_addr& client) noexcept : source(client) {
    // A proxy whose sockets serve both families reports IPv4 clients like this.
    const auto v6 = client.ip().as_v6();
    if (const auto v4 = v6 ? v6->to_ipv4_mapped() : std::nullopt) source.emplace(*v4, client.port());
}

result<proxy_header> parse_proxy_header(bytes whole) noexcept {
    return text_of(whole).starts_with(v2_begin) ? parse_v2(whole) : parse_v1(text_of(whole));
}

}  // namespace eddy::detail
