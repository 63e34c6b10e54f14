// SPDX-License-Identifier: MIT
#include "sys/multicast.hpp"

#include <bit>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

result<void> membership(int fd, int name, const net::ipv4_addr& group, const net::ipv4_addr& interface) noexcept {
    const ip_mreq request{std::bit_cast<in_addr>(group.octets()), std::bit_cast<in_addr>(interface.octets())};
    return set_option(fd, IPPROTO_IP, name, request);
}

result<void> membership(int fd, int name, const net::ipv6_addr& group, std::uint32_t interface) noexcept {
    const ipv6_mreq request{std::bit_cast<in6_addr>(group.octets()), interface};
    return set_option(fd, IPPROTO_IPV6, name, request);
}

}  // namespace

result<void> join_multicast(int fd, const net::ipv4_addr& group, const net::ipv4_addr& interface) noexcept {
    return membership(fd, IP_ADD_MEMBERSHIP, group, interface);
}
result<void> join_multicast(int fd, const net::ipv6_addr& group, std::uint32_t interface) noexcept {
    return membership(fd, IPV6_JOIN_GROUP, group, interface);
}
result<void> leave_multicast(int fd, const net::ipv4_addr& group, const net::ipv4_addr& interface) noexcept {
    return membership(fd, IP_DROP_MEMBERSHIP, group, interface);
}
result<void> leave_multicast(int fd, const net::ipv6_addr& group, std::uint32_t interface) noexcept {
    return membership(fd, IPV6_LEAVE_GROUP, group, interface);
}

result<net::ipv4_addr> multicast_interface(int fd) noexcept {
    const auto addr = get_option<in_addr>(fd, IPPROTO_IP, IP_MULTICAST_IF);
    if (!addr) return std::unexpected(addr.error());
    return net::ipv4_addr(std::bit_cast<net::ipv4_addr::octets_type>(*addr));
}
result<void> set_multicast_interface(int fd, const net::ipv4_addr& interface) noexcept {
    return set_option(fd, IPPROTO_IP, IP_MULTICAST_IF, std::bit_cast<in_addr>(interface.octets()));
}

}  // namespace eddy::sys
