// SPDX-License-Identifier: MIT
#include "sys/socket_text.hpp"

#include <eddy/net/socket_addr.hpp>
#include <eddy/net/unix_addr.hpp>

#include "sys/sockaddr.hpp"
#include "sys/socket_kind.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

std::string text_of(const native_addr& addr) {
    if (const auto found = from_native(addr.get(), addr.size)) return found->to_string();
    if (const auto found = unix_from_native(addr)) return found->to_string();
    return "(unknown)";
}

const char* name_of(socket_kind kind) noexcept {
    switch (kind) {
    case socket_kind::tcp: return "tcp ";
    case socket_kind::udp: return "udp ";
    case socket_kind::unix_stream:
    case socket_kind::unix_datagram: return "unix ";
    case socket_kind::other: break;
    }
    return "socket ";
}

}  // namespace

std::string socket_text(int fd) {
    const auto kind = kind_of_socket(fd);
    const auto local = native_local_addr(fd);
    if (!kind || !local) return {};
    const std::string text = name_of(*kind) + text_of(*local);
    const auto peer = native_peer_addr(fd);
    return peer ? text + " -> " + text_of(*peer) : text;
}

}  // namespace eddy::sys
