// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/result.hpp>

namespace eddy::sys {

/// The level and name of an option of setsockopt(2).
struct socket_option {
    int level;
    int name;
    bool is_byte = false;  // whether the value is a byte; otherwise it is an int

    /// Returns whether this system has the option.
    [[nodiscard]] constexpr bool exists() const noexcept { return level >= 0; }
};

/// The options that have a number or a flag as their value. Each family of systems has its own table.
namespace option {
extern const socket_option broadcast;
extern const socket_option fastopen;
extern const socket_option fastopen_connect;
extern const socket_option hop_limit_v4;
extern const socket_option hop_limit_v6;
extern const socket_option keepalive;
extern const socket_option keepalive_count;
extern const socket_option keepalive_idle;
extern const socket_option keepalive_interval;
extern const socket_option multicast_hops_v4;
extern const socket_option multicast_hops_v6;
extern const socket_option multicast_interface_v6;
extern const socket_option multicast_loop_v4;
extern const socket_option multicast_loop_v6;
extern const socket_option nodelay;
extern const socket_option only_v6;
extern const socket_option quickack;
extern const socket_option recv_buffer_size;
extern const socket_option reuse_addr;
extern const socket_option reuse_port;
extern const socket_option send_buffer_size;
extern const socket_option service_type_v4;
extern const socket_option service_type_v6;
extern const socket_option user_timeout;
}  // namespace option

/// Lets a listener bind a port whose former connections have not timed out yet: SO_REUSEADDR. Does nothing on Windows,
/// which allows that, and where the option would let two listeners share a port.
/// Errors: what setsockopt(2) reports.
[[nodiscard]] result<void> allow_rebind(int fd) noexcept;

/// Return or change the value of an option.
/// Errors: not_supported if this system does not have the option; what getsockopt(2) and setsockopt(2) report;
/// invalid_argument if a number does not fit into an int.
[[nodiscard]] result<bool> get_flag(int fd, const socket_option& which) noexcept;
[[nodiscard]] result<void> set_flag(int fd, const socket_option& which, bool on) noexcept;
[[nodiscard]] result<std::uint32_t> get_number(int fd, const socket_option& which) noexcept;
[[nodiscard]] result<void> set_number(int fd, const socket_option& which, std::uint32_t value) noexcept;

}  // namespace eddy::sys
