// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>

/// Multicast groups of a UDP socket: ip(7) and ipv6(7).
/// Errors: what setsockopt(2) and getsockopt(2) report.
namespace eddy::sys {

[[nodiscard]] result<void> join_multicast(int fd, const net::ipv4_addr& group,
                                          const net::ipv4_addr& interface) noexcept;
[[nodiscard]] result<void> join_multicast(int fd, const net::ipv6_addr& group, std::uint32_t interface) noexcept;
[[nodiscard]] result<void> leave_multicast(int fd, const net::ipv4_addr& group,
                                           const net::ipv4_addr& interface) noexcept;
[[nodiscard]] result<void> leave_multicast(int fd, const net::ipv6_addr& group, std::uint32_t interface) noexcept;

/// Return or change the interface for datagrams that are sent to an IPv4 group.
[[nodiscard]] result<net::ipv4_addr> multicast_interface(int fd) noexcept;
[[nodiscard]] result<void> set_multicast_interface(int fd, const net::ipv4_addr& interface) noexcept;

}  // namespace eddy::sys
