// SPDX-License-Identifier: MIT
#include "sys/socket_kind.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include "sys/syscall.hpp"

namespace eddy::sys {

result<socket_kind> kind_of_socket(int fd) noexcept {
    const auto family = get_option<int>(fd, SOL_SOCKET, SO_DOMAIN);
    if (!family) return std::unexpected(family.error());
    if (*family == AF_UNIX) {
        const auto type = get_option<int>(fd, SOL_SOCKET, SO_TYPE);
        if (!type) return std::unexpected(type.error());
        if (*type == SOCK_STREAM) return socket_kind::unix_stream;
        return *type == SOCK_DGRAM ? socket_kind::unix_datagram : socket_kind::other;
    }
    const auto protocol = get_option<int>(fd, SOL_SOCKET, SO_PROTOCOL);
    if (!protocol) return std::unexpected(protocol.error());
    if (*protocol == IPPROTO_TCP) return socket_kind::tcp;
    return *protocol == IPPROTO_UDP ? socket_kind::udp : socket_kind::other;
}

result<bool> is_listener(int fd) noexcept {
    const auto listens = get_option<int>(fd, SOL_SOCKET, SO_ACCEPTCONN);
    if (!listens) return std::unexpected(listens.error());
    return *listens != 0;
}

result<bool> is_ipv6(int fd) noexcept {
    const auto family = get_option<int>(fd, SOL_SOCKET, SO_DOMAIN);
    if (!family) return std::unexpected(family.error());
    return *family == AF_INET6;
}

}  // namespace eddy::sys
