// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <system_error>

#include <eddy/result.hpp>

#include "sys/syscall.hpp"

/// SO_LINGER of socket(7): how long close(2) waits for unsent data.
namespace eddy::sys {

using linger_limit = std::optional<std::chrono::seconds>;

[[nodiscard]] inline result<linger_limit> get_linger(int fd) noexcept {
    const auto value = get_option<::linger>(fd, SOL_SOCKET, SO_LINGER);
    if (!value) return std::unexpected(value.error());
    if (value->l_onoff == 0) return std::nullopt;
    return std::chrono::seconds(value->l_linger);
}

[[nodiscard]] inline result<void> set_linger(int fd, linger_limit limit) noexcept {
    ::linger value{};
    if (limit) {
        if (*limit < std::chrono::seconds::zero() || *limit > std::chrono::seconds(0x7fff)) {
            return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        }
        value.l_onoff = 1;
        value.l_linger = static_cast<decltype(value.l_linger)>(limit->count());
    }
    return set_option(fd, SOL_SOCKET, SO_LINGER, value);
}

/// Makes close(2) reset the connection and drop the unsent data.
inline void reset_at_close(int fd) noexcept { static_cast<void>(set_linger(fd, std::chrono::seconds::zero())); }

[[nodiscard]] inline bool is_reset_at_close(int fd) noexcept {
    const auto limit = get_linger(fd);
    return limit && *limit == std::chrono::seconds::zero();
}

}  // namespace eddy::sys
