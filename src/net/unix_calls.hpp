// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/unix_addr.hpp>
#include <eddy/result.hpp>

#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"

namespace eddy::net {

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

/// A peer's address, where a connection or a datagram comes with one. One that unix_addr has no room for, a path of 108
/// bytes without a NUL, must not cost the connection.
[[nodiscard]] inline unix_addr unix_sender(const sys::native_addr& native) noexcept {
    return sys::unix_from_native(native).value_or(unix_addr());
}

}  // namespace eddy::net
