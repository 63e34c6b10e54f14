// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/result.hpp>

namespace eddy::sys {

/// What a socket was created for. `other` is a protocol or an address family that this library does not use.
enum class socket_kind : unsigned char { tcp, udp, unix_stream, unix_datagram, other };

/// Returns the kind of a socket. Two system calls at most.
/// Errors: what getsockopt(2) reports: not_a_socket, bad_file_descriptor.
[[nodiscard]] result<socket_kind> kind_of_socket(int fd) noexcept;

/// Returns whether the socket is a listener.
/// Errors: what getsockopt(2) reports.
[[nodiscard]] result<bool> is_listener(int fd) noexcept;

/// Returns whether the socket has an IPv6 address.
/// Errors: what getsockopt(2) reports.
[[nodiscard]] result<bool> is_ipv6(int fd) noexcept;

}  // namespace eddy::sys
