// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/result.hpp>

#include "sys/socket_kind.hpp"
#include "sys/socket_option.hpp"

namespace eddy::net {

inline constexpr int default_backlog = 1024;  // as in Tokio; the kernel limits it to net.core.somaxconn

/// Return or change an option that has a different name for each address family.
inline result<std::uint32_t> get_ip_option(int fd, const sys::socket_option& v4,
                                           const sys::socket_option& v6) noexcept {
    const auto is_v6 = sys::is_ipv6(fd);
    if (!is_v6) return std::unexpected(is_v6.error());
    return sys::get_number(fd, *is_v6 ? v6 : v4);
}

inline result<void> set_ip_option(int fd, const sys::socket_option& v4, const sys::socket_option& v6,
                                  std::uint32_t value) noexcept {
    const auto is_v6 = sys::is_ipv6(fd);
    if (!is_v6) return std::unexpected(is_v6.error());
    return sys::set_number(fd, *is_v6 ? v6 : v4, value);
}

inline result<std::uint32_t> get_ttl(int fd) noexcept {
    return get_ip_option(fd, sys::option::hop_limit_v4, sys::option::hop_limit_v6);
}
inline result<void> set_ttl(int fd, std::uint32_t hops) noexcept {
    return set_ip_option(fd, sys::option::hop_limit_v4, sys::option::hop_limit_v6, hops);
}
inline result<std::uint32_t> get_tos(int fd) noexcept {
    return get_ip_option(fd, sys::option::service_type_v4, sys::option::service_type_v6);
}
inline result<void> set_tos(int fd, std::uint32_t tos) noexcept {
    return set_ip_option(fd, sys::option::service_type_v4, sys::option::service_type_v6, tos);
}

}  // namespace eddy::net
