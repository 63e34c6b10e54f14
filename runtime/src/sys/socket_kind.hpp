// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/result.hpp>

namespace eddy::sys {

/// The protocol of a socket. `other` stands for all protocols and address families that this library does not use.
enum class socket_kind : unsigned char { tcp, udp, unix_stream, unix_datagram, other };

/// Returns the kind of a socket.
/// Errors: what getsockopt(2) reports: not_a_socket, bad_file_descriptor.
/// Cost: at most two system calls.
[[nodiscard]] result<socket_kind> kind_of_socket(int fd) noexcept;

/// Returns whether the socket is a listener.
/// Errors: what getsockopt(2) reports.
[[nodiscard]] result<bool> is_listener(int fd) noexcept;

/// Returns whether the address family of the socket is IPv6.
/// Errors: what getsockopt(2) reports.
[[nodiscard]] result<bool> is_ipv6(int fd) noexcept;

}  // namespace eddy::sys
