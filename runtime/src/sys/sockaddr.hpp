// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include <eddy/net/socket_addr.hpp>
#include <eddy/net/unix_addr.hpp>
#include <eddy/result.hpp>

#include "sys/socket_api.hpp"

namespace eddy::sys {

/// The version of the Internet Protocol that a socket is created for.
enum class ip_version : bool { v4, v6 };

[[nodiscard]] inline ip_version version_of(const net::socket_addr& addr) noexcept {
    return addr.is_ipv6() ? ip_version::v6 : ip_version::v4;
}

/// A socket address in the kernel's format. If a system call writes it, `size` is initially the capacity of `storage`.
struct native_addr {
    sockaddr_storage storage{};
    socklen_t size = sizeof(sockaddr_storage);

    // SAFETY: sockaddr_storage is designed for this cast (RFC 3493, 3.10). Only the kernel reads through the pointer.
    [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
    [[nodiscard]] sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
};

/// Converts an address to the kernel's format.
[[nodiscard]] native_addr to_native(const net::socket_addr& addr) noexcept;

/// Converts an address from the kernel's format.
/// Errors: address_family_not_supported if it is neither IPv4 nor IPv6; invalid_argument if it is truncated.
[[nodiscard]] result<net::socket_addr> from_native(const sockaddr* addr, socklen_t size) noexcept;

/// The size of the longest path of a Unix socket: 107 bytes on Linux, 103 elsewhere.
inline constexpr std::size_t longest_unix_path = sizeof(sockaddr_un::sun_path) - 1;

/// Converts an address to the kernel's format.
/// Preconditions: its path is not longer than longest_unix_path.
[[nodiscard]] native_addr to_native(const net::unix_addr& addr) noexcept;

/// Converts an address from the kernel's format.
/// Errors: address_family_not_supported if it is not a Unix address.
[[nodiscard]] result<net::unix_addr> unix_from_native(const native_addr& addr) noexcept;

}  // namespace eddy::sys
