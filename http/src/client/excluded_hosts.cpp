// SPDX-License-Identifier: MIT
#include "client/excluded_hosts.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <span>
#include <system_error>
#include <utility>

#include "message/characters.hpp"
#include "message/host.hpp"

namespace eddy::detail {
namespace {

std::span<const std::uint8_t> bytes_of(const net::ipv4_addr& address) noexcept { return address.octets(); }
std::span<const std::uint8_t> bytes_of(const net::ipv6_addr& address) noexcept { return address.octets(); }

unsigned bits_of(const net::ip_addr& address) noexcept { return address.is_ipv4() ? 32 : 128; }

bool have_same_prefix(std::span<const std::uint8_t> one, std::span<const std::uint8_t> other, unsigned bits) noexcept {
    const std::size_t whole = bits / 8;
    if (!std::ranges::equal(one.first(whole), other.first(whole))) return false;
    const unsigned rest = bits % 8;
    return rest == 0 || (one[whole] ^ other[whole]) >> (8 - rest) == 0;
}

/// Removes the period after an absolute name: "example.org.".
std::string_view without_last_period(std::string_view host) noexcept {
    if (host.ends_with('.')) host.remove_suffix(1);
    return host;
}

bool is_port(const std::optional<std::uint16_t>& wanted, std::uint16_t port) noexcept {
    return !wanted || *wanted == port;
}

}  // namespace

std::optional<net::ip_addr> parse_address(std::string_view host) noexcept {
    const auto parsed = net::ip_addr::parse(host);
    if (!parsed) return std::nullopt;
    if (const auto v6 = parsed->as_v6()) {
        if (const auto mapped = v6->to_ipv4_mapped()) return net::ip_addr(*mapped);
    }
    return *parsed;
}

bool excluded_hosts::block::contains(const net::ip_addr& other) const noexcept {
    if (address.is_ipv4() != other.is_ipv4()) return false;
    if (address.is_ipv4()) return have_same_prefix(bytes_of(*address.as_v4()), bytes_of(*other.as_v4()), prefix);
    return have_same_prefix(bytes_of(*address.as_v6()), bytes_of(*other.as_v6()), prefix);
}

bool excluded_hosts::domain::contains(std::string_view host) const noexcept {
    if (!host.ends_with(name)) return false;
    host.remove_suffix(name.size());
    return host.empty() ? has_own_host : host.ends_with('.');
}

excluded_hosts::excluded_hosts(std::string_view list) {
    std::string text(list);
    std::ranges::replace_if(text, is_space, ',');
    for (std::string_view rest = text; !rest.empty();) {
        const auto element = take_part(rest, ',');
        std::string lower(element);
        std::ranges::transform(lower, lower.begin(), to_lower);
        if (!element.empty() && !add(lower) && invalid_.empty()) invalid_ = element;
    }
}

bool excluded_hosts::add(std::string_view element) {
    if (element == "*") {
        is_all_ = true;
        return true;
    }
    if (element.contains('/')) return add_block(element);
    if (const auto address = parse_address(element)) {  // of IPv6, without brackets
        blocks_.emplace_back(*address, bits_of(*address), std::nullopt);
        return true;
    }
    const auto parts = parse_host(element);
    if (!parts) return false;
    if (const auto address = parse_address(parts->host)) {
        blocks_.emplace_back(*address, bits_of(*address), parts->port);
        return true;
    }
    return add_domain(parts->host, parts->port);
}

bool excluded_hosts::add_domain(std::string_view name, std::optional<std::uint16_t> port) {
    const bool has_own_host = !name.starts_with("*.");
    if (!has_own_host) name.remove_prefix(1);
    if (name.starts_with('.')) name.remove_prefix(1);
    if (!can_be_server(name) || name.contains('*')) return false;
    domains_.emplace_back(std::string(without_last_period(name)), has_own_host, port);
    return true;
}

bool excluded_hosts::add_block(std::string_view element) {
    const auto digits = element.substr(element.find('/') + 1);
    auto text = element.substr(0, element.find('/'));
    const bool has_brackets = text.starts_with('[') && text.ends_with(']');
    if (has_brackets) text = text.substr(1, text.size() - 2);
    const auto written = net::ip_addr::parse(text);
    unsigned prefix = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
    const bool is_number = error == std::errc() && end == digits.data() + digits.size();
    if (!written || !is_number || prefix > bits_of(*written) || (has_brackets && written->is_ipv4())) return false;
    // A block of mapped addresses is a block of IPv4 addresses, without the 96 bits before them.
    const auto address = *parse_address(text);
    const unsigned mapped_bits = bits_of(*written) - bits_of(address);
    blocks_.emplace_back(address, prefix - std::min(prefix, mapped_bits), std::nullopt);
    return true;
}

bool excluded_hosts::contains(std::string_view host, std::uint16_t port) const noexcept {
    if (is_all_) return true;
    if (const auto address = parse_address(host)) {
        return std::ranges::any_of(
            blocks_, [&](const block& each) { return is_port(each.port, port) && each.contains(*address); });
    }
    host = without_last_period(host);
    return std::ranges::any_of(domains_,
                               [&](const domain& each) { return is_port(each.port, port) && each.contains(host); });
}

}  // namespace eddy::detail
