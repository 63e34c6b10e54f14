// SPDX-License-Identifier: MIT
#pragma once

#include <span>

#include <eddy/net/socket_addr.hpp>

namespace eddy::net {

/// What `make` answers for the first of these addresses where that is no error; else its last error. There is one at
/// least.
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
