// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/unix_addr.hpp>
#include <eddy/result.hpp>

#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

/// Returns the local address, or the address of the peer.
/// Errors: what getsockname(2) or getpeername(2) reports.
[[nodiscard]] inline result<unix_addr> unix_local_addr(int fd) noexcept {
    const auto native = sys::native_local_addr(fd);
    if (!native) return std::unexpected(native.error());
    return sys::unix_from_native(*native);
}

[[nodiscard]] inline result<unix_addr> unix_peer_addr(int fd) noexcept {
    const auto native = sys::native_peer_addr(fd);
    if (!native) return std::unexpected(native.error());
    return sys::unix_from_native(*native);
}

/// Converts the address of a peer or sender. An address that does not fit into a unix_addr (a path of 108 bytes without
/// a NUL) becomes the unnamed address, so that the connection or datagram is not lost.
[[nodiscard]] inline unix_addr unix_sender(const sys::native_addr& native) noexcept {
    return sys::unix_from_native(native).value_or(unix_addr());
}

}  // namespace eddy::net
