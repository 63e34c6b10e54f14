// SPDX-License-Identifier: MIT
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/result.hpp>

#include "sys/syscall.hpp"

namespace eddy::net {

inline constexpr int default_backlog = 1024;  // as in Tokio; the kernel limits it to net.core.somaxconn

inline result<bool> get_flag(int fd, int level, int name) noexcept {
    const auto value = sys::get_option<int>(fd, level, name);
    if (!value) return std::unexpected(value.error());
    return *value != 0;
}

inline result<void> set_flag(int fd, int level, int name, bool on) noexcept {
    return sys::set_option<int>(fd, level, name, on ? 1 : 0);
}

inline result<std::uint32_t> get_number(int fd, int level, int name) noexcept {
    const auto value = sys::get_option<int>(fd, level, name);
    if (!value) return std::unexpected(value.error());
    return static_cast<std::uint32_t>(*value);
}

inline result<void> set_number(int fd, int level, int name, std::uint32_t value) noexcept {
    if (value > 0x7fffffffU) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    return sys::set_option<int>(fd, level, name, static_cast<int>(value));
}

/// A socket option that has a different name for each address family.
struct ip_option {
    int v4;
    int v6;
};
constexpr ip_option hop_limit{IP_TTL, IPV6_UNICAST_HOPS};
constexpr ip_option service_type{IP_TOS, IPV6_TCLASS};

inline result<bool> is_ipv6(int fd) noexcept {
    const auto family = sys::get_option<int>(fd, SOL_SOCKET, SO_DOMAIN);
    if (!family) return std::unexpected(family.error());
    return *family == AF_INET6;
}

inline result<std::uint32_t> get_ip_option(int fd, ip_option option) noexcept {
    const auto v6 = is_ipv6(fd);
    if (!v6) return std::unexpected(v6.error());
    return *v6 ? get_number(fd, IPPROTO_IPV6, option.v6) : get_number(fd, IPPROTO_IP, option.v4);
}

inline result<void> set_ip_option(int fd, ip_option option, std::uint32_t value) noexcept {
    const auto v6 = is_ipv6(fd);
    if (!v6) return std::unexpected(v6.error());
    return *v6 ? set_number(fd, IPPROTO_IPV6, option.v6, value) : set_number(fd, IPPROTO_IP, option.v4, value);
}

inline result<std::uint32_t> get_ttl(int fd) noexcept { return get_ip_option(fd, hop_limit); }
inline result<void> set_ttl(int fd, std::uint32_t hops) noexcept { return set_ip_option(fd, hop_limit, hops); }
inline result<std::uint32_t> get_tos(int fd) noexcept { return get_ip_option(fd, service_type); }
inline result<void> set_tos(int fd, std::uint32_t tos) noexcept { return set_ip_option(fd, service_type, tos); }

using linger_limit = std::optional<std::chrono::seconds>;

inline result<linger_limit> get_linger(int fd) noexcept {
    const auto value = sys::get_option<::linger>(fd, SOL_SOCKET, SO_LINGER);
    if (!value) return std::unexpected(value.error());
    if (value->l_onoff == 0) return std::nullopt;
    return std::chrono::seconds(value->l_linger);
}

inline result<void> set_linger(int fd, linger_limit limit) noexcept {
    ::linger value{};
    if (limit) {
        if (*limit < std::chrono::seconds::zero() || *limit > std::chrono::seconds(0x7fff)) {
            return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        }
        value.l_onoff = 1;
        value.l_linger = static_cast<int>(limit->count());
    }
    return sys::set_option(fd, SOL_SOCKET, SO_LINGER, value);
}

inline result<std::optional<std::string>> get_device(int fd) {
    const auto name = sys::get_option<std::array<char, IFNAMSIZ>>(fd, SOL_SOCKET, SO_BINDTODEVICE);
    if (!name) return std::unexpected(name.error());
    if (name->front() == '\0') return std::nullopt;
    return std::string(name->data());  // the kernel terminates it with a NUL
}

inline result<void> bind_device(int fd, std::optional<std::string_view> interface) noexcept {
    std::array<char, IFNAMSIZ> name{};
    if (interface) {
        const bool fits = !interface->empty() && interface->size() < name.size() && !interface->contains('\0');
        if (!fits) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        interface->copy(name.data(), name.size());
    }
    return sys::set_option(fd, SOL_SOCKET, SO_BINDTODEVICE, name);
}

}  // namespace eddy::net
