// SPDX-License-Identifier: MIT
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdint>

#include <eddy/result.hpp>

#include "sys/syscall.hpp"

namespace eddy::net {

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

/// The hop limit has an option of its own for each family.
struct ttl_option {
    int level = IPPROTO_IP;
    int name = IP_TTL;
};

inline result<ttl_option> ttl_option_of(int fd) noexcept {
    const auto family = sys::get_option<int>(fd, SOL_SOCKET, SO_DOMAIN);
    if (!family) return std::unexpected(family.error());
    if (*family == AF_INET6) return ttl_option{IPPROTO_IPV6, IPV6_UNICAST_HOPS};
    return ttl_option{};
}

inline result<std::uint32_t> get_ttl(int fd) noexcept {
    const auto option = ttl_option_of(fd);
    if (!option) return std::unexpected(option.error());
    return get_number(fd, option->level, option->name);
}

inline result<void> set_ttl(int fd, std::uint32_t hops) noexcept {
    const auto option = ttl_option_of(fd);
    if (!option) return std::unexpected(option.error());
    return set_number(fd, option->level, option->name, hops);
}

}  // namespace eddy::net
