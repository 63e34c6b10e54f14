// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <vector>

#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// A function that returns the addresses of a host. It may block, so it is called on blocking threads.
using resolver = result<std::vector<net::socket_addr>> (*)(const std::string& host, std::uint16_t port);

/// Replaces the system's resolver for later lookups. Null restores the system's resolver.
void set_resolver_for_tests(resolver instead) noexcept;

}  // namespace eddy::detail

namespace eddy::net {

/// Returns the addresses of a name, for sockets of this thread's event loop. Throws `misuse` without a lookup if there
/// is no event loop.
[[nodiscard]] task<result<lookup_request>> resolve_here(lookup_request named, std::source_location where);

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
