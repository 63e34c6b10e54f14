// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include <eddy/net/socket_addr.hpp>

namespace eddy::net {

/// Calls `make` for each address until it succeeds. Returns that result, or the last error.
/// Preconditions: there is at least one address.
template <class Make>
auto first_of(std::span<const socket_addr> addrs, Make make) {
    auto made = make(addrs.front());
    for (const socket_addr& addr : addrs.subspan(1)) {
        if (made) break;
        made = make(addr);
    }
    return made;
}

}  // namespace eddy::net
