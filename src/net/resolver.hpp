// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include <eddy/net/socket_addr.hpp>
#include <eddy/net/to_socket_addrs.hpp>
#include <eddy/result.hpp>
#include <eddy/task.hpp>

namespace eddy::detail {

/// Gives the addresses of a host; may block, and is called on threads for that.
using resolver = result<std::vector<net::socket_addr>> (*)(const std::string& host, std::uint16_t port);

/// Puts another in the place of the system's resolver, for look-ups that begin from now on; null puts it back.
void set_resolver_for_tests(resolver instead) noexcept;

}  // namespace eddy::detail

namespace eddy::net {

/// The addresses of a name, for sockets of the loop on this thread: without a loop it throws, and looks up nothing.
[[nodiscard]] task<result<lookup_request>> resolve_here(lookup_request named, std::source_location where);

}  // namespace eddy::net
