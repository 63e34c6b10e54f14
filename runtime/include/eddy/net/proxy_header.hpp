// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <eddy/detail/export.hpp>
#include <eddy/net/socket_addr.hpp>

namespace eddy::net {

/// The header of the PROXY protocol, version 1 or 2, with which a proxy begins a connection to a server, so that the
/// server knows the client:
///
///     auto upstream = co_await try_(net::tcp_stream::connect(server));
///     co_await try_(upstream.write_all(net::proxy_header_v2(client, reached)));
///     co_await io::copy_bidirectional(downstream, upstream);
///
/// `client` is the address of the client, and `reached` the one that it has connected to: tcp_stream::peer_addr() and
/// local_addr() of its connection. If one of them is an IPv4 address and the other one is not, both are written as IPv6
/// addresses. Version 1 is a line of text, version 2 is binary; a proxy_listener reads both.
///
/// The specification: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
/// Thread safety: any thread.
[[nodiscard]] EDDY_API std::string proxy_header_v1(const socket_addr& client, const socket_addr& reached);
[[nodiscard]] EDDY_API std::string proxy_header_v2(const socket_addr& client, const socket_addr& reached);

}  // namespace eddy::net
