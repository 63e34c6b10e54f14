// SPDX-License-Identifier: MIT
#include "message/address_key.hpp"

namespace eddy::detail {

std::string address_key(const std::optional<net::socket_addr>& peer, std::size_t prefix) {
    if (!peer) return {};
    const auto address = peer->ip();
    const auto v4 = address.as_v4() ? address.as_v4() : address.as_v6()->to_ipv4_mapped();
    if (v4) return {v4->octets().begin(), v4->octets().end()};
    const auto octets = address.as_v6()->octets();
    return {octets.begin(), octets.begin() + prefix};
}

}  // namespace eddy::detail
