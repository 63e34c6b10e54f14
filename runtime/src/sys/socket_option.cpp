// SPDX-License-Identifier: MIT
#include "sys/socket_option.hpp"

#include <system_error>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

result<int> get(int fd, const socket_option& which) noexcept {
    if (!which.exists()) return std::unexpected(std::make_error_code(std::errc::not_supported));
    if (which.is_byte) return get_option<unsigned char>(fd, which.level, which.name);
    return get_option<int>(fd, which.level, which.name);
}

result<void> set(int fd, const socket_option& which, int value) noexcept {
    if (!which.exists()) return std::unexpected(std::make_error_code(std::errc::not_supported));
    if (which.is_byte) {
        if (value > 255) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        return set_option(fd, which.level, which.name, static_cast<unsigned char>(value));
    }
    return set_option(fd, which.level, which.name, value);
}

}  // namespace

result<void> allow_rebind([[maybe_unused]] int fd) noexcept {
#if defined(_WIN32)
    return ok();
#else
    return set_flag(fd, option::reuse_addr, true);
#endif
}

result<bool> get_flag(int fd, const socket_option& which) noexcept {
    const auto value = get(fd, which);
    if (!value) return std::unexpected(value.error());
    return *value != 0;
}

result<void> set_flag(int fd, const socket_option& which, bool on) noexcept { return set(fd, which, on ? 1 : 0); }

result<std::uint32_t> get_number(int fd, const socket_option& which) noexcept {
    const auto value = get(fd, which);
    if (!value) return std::unexpected(value.error());
    return static_cast<std::uint32_t>(*value);
}

result<void> set_number(int fd, const socket_option& which, std::uint32_t value) noexcept {
    if (value > 0x7fffffffU) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    return set(fd, which, static_cast<int>(value));
}

}  // namespace eddy::sys
