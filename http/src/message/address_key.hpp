// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <eddy/net/socket_addr.hpp>

namespace eddy::detail {

/// The bytes of an IPv6 address that the connections of one client have in common: one client has a whole /64.
inline constexpr std::size_t client_prefix = 8;

/// Returns the bytes by which connections of the same client are recognized: the 4 of an IPv4 address, also of one that
/// is mapped to IPv6, or the first `prefix` of an IPv6 address. Returns an empty text without an address.
[[nodiscard]] inline std::string address_key(const std::optional<net::socket_addr>& peer,
                                             std::size_t prefix = client_prefix) {
    if (!peer) return {};
    const auto address = peer->ip();
    const auto v4 = address.as_v4() ? address.as_v4() : address.as_v6()->to_ipv4_mapped();
    if (v4) return {v4->octets().begin(), v4->octets().end()};
    const auto octets = address.as_v6()->octets();
    return {octets.begin(), octets.begin() + prefix};
}

}  // namespace eddy::detail
