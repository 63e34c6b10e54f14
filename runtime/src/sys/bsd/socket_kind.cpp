// SPDX-License-Identifier: MIT
#include "sys/socket_kind.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include "sys/sockaddr.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

/// Returns the address family. Does not use SO_DOMAIN, because macOS and NetBSD do not have it.
result<int> family_of(int fd) noexcept {
    const auto addr = native_local_addr(fd);
    if (!addr) return std::unexpected(addr.error());
    return static_cast<int>(addr->storage.ss_family);
}

}  // namespace

result<socket_kind> kind_of_socket(int fd) noexcept {
    const auto family = family_of(fd);
    if (!family) return std::unexpected(family.error());
    const auto type = get_option<int>(fd, SOL_SOCKET, SO_TYPE);
    if (!type) return std::unexpected(type.error());
    const bool is_stream = *type == SOCK_STREAM;
    if (!is_stream && *type != SOCK_DGRAM) return socket_kind::other;
    if (*family == AF_UNIX) return is_stream ? socket_kind::unix_stream : socket_kind::unix_datagram;
    if (*family == AF_INET || *family == AF_INET6) return is_stream ? socket_kind::tcp : socket_kind::udp;
    return socket_kind::other;
}

result<bool> is_listener(int fd) noexcept {
    const auto listens = get_option<int>(fd, SOL_SOCKET, SO_ACCEPTCONN);
    if (!listens) return std::unexpected(listens.error());
    return *listens != 0;
}

result<bool> is_ipv6(int fd) noexcept {
    const auto family = family_of(fd);
    if (!family) return std::unexpected(family.error());
    return *family == AF_INET6;
}

}  // namespace eddy::sys
