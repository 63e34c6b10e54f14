// SPDX-License-Identifier: MIT
#include "net/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

#include <eddy/net/proxy_header.hpp>

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
constexpr unsigned v2_tcp4 = 0x11;
constexpr unsigned v2_tcp6 = 0x21;

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
    case v2_tcp4: return parse_addrs<net::ipv4_addr>(rest);
    case v2_tcp6: return parse_addrs<net::ipv6_addr>(rest);
    case 0x00:                         // unknown
    case 0x31: return proxy_header();  // a Unix socket
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

// ---- Writing ----

namespace {

/// The two addresses, in one family.
struct address_pair {
    net::socket_addr client;
    net::socket_addr reached;

    address_pair(const net::socket_addr& from, const net::socket_addr& to) : client(from), reached(to) {
        if (from.ip().is_ipv4() == to.ip().is_ipv4()) return;
        client = as_ipv6(from);
        reached = as_ipv6(to);
    }
    [[nodiscard]] bool is_ipv4() const noexcept { return client.ip().is_ipv4(); }

private:
    static net::socket_addr as_ipv6(const net::socket_addr& from) {
        const auto v4 = from.ip().as_v4();
        if (!v4) return from;
        net::ipv6_addr::octets_type mapped{};
        mapped[10] = mapped[11] = 0xff;
        std::ranges::copy(v4->octets(), mapped.begin() + 12);
        return {net::ipv6_addr(mapped), from.port()};
    }
};

void append_octets(std::string& to, const net::ip_addr& ip) {
    const auto append = [&to](const auto& octets) { to.append(octets.begin(), octets.end()); };
    if (const auto v4 = ip.as_v4()) return append(v4->octets());
    append(ip.as_v6()->octets());
}

void append_big_endian(std::string& to, std::size_t number) {
    to += static_cast<char>(number >> 8);
    to += static_cast<char>(number & 0xff);
}

}  // namespace
}  // namespace eddy::detail

namespace eddy::net {

std::string proxy_header_v1(const socket_addr& client, const socket_addr& reached) {
    const detail::address_pair both(client, reached);
    return std::string(detail::v1_begin) + (both.is_ipv4() ? "TCP4 " : "TCP6 ") + both.client.ip().to_string() + ' ' +
           both.reached.ip().to_string() + ' ' + std::to_string(both.client.port()) + ' ' +
           std::to_string(both.reached.port()) + std::string(detail::v1_end);
}

std::string proxy_header_v2(const socket_addr& client, const socket_addr& reached) {
    const detail::address_pair both(client, reached);
    std::string addresses;
    detail::append_octets(addresses, both.client.ip());
    detail::append_octets(addresses, both.reached.ip());
    detail::append_big_endian(addresses, both.client.port());
    detail::append_big_endian(addresses, both.reached.port());
    std::string header(detail::v2_begin);
    header += static_cast<char>(detail::v2_proxy);
    header += static_cast<char>(both.is_ipv4() ? detail::v2_tcp4 : detail::v2_tcp6);
    detail::append_big_endian(header, addresses.size());
    return header + addresses;
}

}  // namespace eddy::net
