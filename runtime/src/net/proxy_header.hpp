// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

/// The header that a connection begins with in the PROXY protocol, versions 1 (text) and 2 (binary). The specification
/// is https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
namespace eddy::detail {

/// What a header says. Without a source, the proxy speaks for itself, or does not know. An IPv4 address that is mapped
/// to IPv6 becomes the IPv4 address.
struct proxy_header {
    std::optional<net::socket_addr> source;

    proxy_header() noexcept = default;
    explicit proxy_header(const net::socket_addr& client) noexcept;
};

/// Returns how many bytes must still be read before more can be known; 0 if the header is whole. The header has at
/// least as many more, so that a reader that asks for them takes no byte of what follows.
/// Errors: bad_message if `begin` is not the begin of a header.
[[nodiscard]] result<std::size_t> missing_of_proxy_header(std::span<const std::byte> begin) noexcept;

/// Reads a whole header.
/// Errors: bad_message.
[[nodiscard]] result<proxy_header> parse_proxy_header(std::span<const std::byte> whole) noexcept;

}  // namespace eddy::detail
