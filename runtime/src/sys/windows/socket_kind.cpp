// SPDX-License-Identifier: MIT
#include "sys/socket_kind.hpp"

#include "sys/syscall.hpp"

namespace eddy::sys {

result<socket_kind> kind_of_socket(int fd) noexcept {
    const auto about = get_option<WSAPROTOCOL_INFOW>(fd, SOL_SOCKET, SO_PROTOCOL_INFOW);
    if (!about) return std::unexpected(about.error());
    if (about->iAddressFamily != AF_INET && about->iAddressFamily != AF_INET6) return socket_kind::other;
    if (about->iSocketType == SOCK_STREAM) return socket_kind::tcp;
    return about->iSocketType == SOCK_DGRAM ? socket_kind::udp : socket_kind::other;
}

result<bool> is_listener(int fd) noexcept {
    const auto listens = get_option<int>(fd, SOL_SOCKET, SO_ACCEPTCONN);
    if (!listens) return std::unexpected(listens.error());
    return *listens != 0;
}

result<bool> is_ipv6(int fd) noexcept {
    const auto about = get_option<WSAPROTOCOL_INFOW>(fd, SOL_SOCKET, SO_PROTOCOL_INFOW);
    if (!about) return std::unexpected(about.error());
    return about->iAddressFamily == AF_INET6;
}

}  // namespace eddy::sys
