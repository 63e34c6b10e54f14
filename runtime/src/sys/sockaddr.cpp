// SPDX-License-Identifier: MIT
#include "sys/sockaddr.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace eddy::sys {
namespace {

native_addr v4_to_native(net::ipv4_addr ip, std::uint16_t port) noexcept {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr = std::bit_cast<in_addr>(ip.octets());

    native_addr native;
    std::memcpy(&native.storage, &in, sizeof in);
    native.size = sizeof in;
    return native;
}

native_addr v6_to_native(const net::ipv6_addr& ip, const net::socket_addr& addr) noexcept {
    sockaddr_in6 in{};
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(addr.port());
    in.sin6_flowinfo = htonl(addr.flowinfo());
    in.sin6_addr = std::bit_cast<in6_addr>(ip.octets());
    in.sin6_scope_id = addr.scope_id();  // the only field in host byte order

    native_addr native;
    std::memcpy(&native.storage, &in, sizeof in);
    native.size = sizeof in;
    return native;
}

#if defined(__linux__)
constexpr bool has_abstract_names = true;
#else
constexpr bool has_abstract_names = false;
#endif

/// Copies the bytes, since the caller's memory need not be aligned for a T or contain one.
template <class T>
std::optional<T> read_as(const sockaddr* addr, socklen_t size) noexcept {
    if (size < socklen_t{sizeof(T)}) return std::nullopt;
    T in;
    std::memcpy(&in, addr, sizeof in);
    return in;
}

result<net::socket_addr> v4_from_native(const sockaddr* addr, socklen_t size) noexcept {
    const auto in = read_as<sockaddr_in>(addr, size);
    if (!in) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    const auto octets = std::bit_cast<std::array<std::uint8_t, 4>>(in->sin_addr);
    return net::socket_addr(net::ipv4_addr(octets), ntohs(in->sin_port));
}

result<net::socket_addr> v6_from_native(const sockaddr* addr, socklen_t size) noexcept {
    const auto in = read_as<sockaddr_in6>(addr, size);
    if (!in) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    const auto octets = std::bit_cast<std::array<std::uint8_t, 16>>(in->sin6_addr);
    return net::socket_addr(net::ipv6_addr(octets), ntohs(in->sin6_port), ntohl(in->sin6_flowinfo), in->sin6_scope_id);
}

}  // namespace

native_addr to_native(const net::socket_addr& addr) noexcept {
    if (const auto v4 = addr.ip().as_v4()) return v4_to_native(*v4, addr.port());
    return v6_to_native(*addr.ip().as_v6(), addr);
}

result<net::socket_addr> from_native(const sockaddr* addr, socklen_t size) noexcept {
    // An unnamed peer has no address, and not even a family.
    constexpr socklen_t family_ends = offsetof(sockaddr, sa_family) + sizeof(sa_family_t);
    const auto family = size < family_ends ? sa_family_t{AF_UNSPEC} : addr->sa_family;
    switch (family) {
    case AF_INET: return v4_from_native(addr, size);
    case AF_INET6: return v6_from_native(addr, size);
    default: return std::unexpected(std::make_error_code(std::errc::address_family_not_supported));
    }
}

native_addr to_native(const net::unix_addr& addr) noexcept {
    constexpr std::size_t path_begins = offsetof(sockaddr_un, sun_path);
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    native_addr native;
    native.size = path_begins;  // the whole address, if there is no name
    if (const auto path = addr.as_path()) {
        path->copy(un.sun_path, sizeof un.sun_path - 1);
        native.size = static_cast<socklen_t>(path_begins + path->size() + 1);  // including the terminating NUL
    } else if (const auto name = addr.as_abstract()) {
        name->copy(un.sun_path + 1, sizeof un.sun_path - 1);  // after the NUL that marks an abstract name
        native.size = static_cast<socklen_t>(path_begins + 1 + name->size());
    }
    std::memcpy(&native.storage, &un, sizeof un);
    return native;
}

result<net::unix_addr> unix_from_native(const native_addr& addr) noexcept {
    // A datagram from an unnamed socket has no address.
    if (addr.size == 0) return net::unix_addr();
    if (addr.get()->sa_family != AF_UNIX) {
        return std::unexpected(std::make_error_code(std::errc::address_family_not_supported));
    }
    constexpr socklen_t path_begins = offsetof(sockaddr_un, sun_path);
    if (addr.size <= path_begins) return net::unix_addr();
    sockaddr_un un{};
    std::memcpy(&un, &addr.storage, std::min<std::size_t>(addr.size, sizeof un));
    const std::string_view text(un.sun_path, std::min<std::size_t>(addr.size - path_begins, sizeof un.sun_path));
    if (text.front() == '\0') {
        // Only Linux has abstract names. Other systems fill the address of an unnamed socket with NULs.
        return has_abstract_names ? net::unix_addr::abstract(text.substr(1)) : net::unix_addr();
    }
    // Whether the size includes the terminating NUL depends on the process that has bound the socket. A path of 108
    // bytes has no NUL.
    return net::unix_addr::path(text.substr(0, text.find('\0')));
}

}  // namespace eddy::sys
