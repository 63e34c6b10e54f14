// SPDX-License-Identifier: MIT
#include "sys/bound_device.hpp"

#include <net/if.h>
#include <sys/socket.h>

#include <array>
#include <system_error>

#include "sys/syscall.hpp"

namespace eddy::sys {

result<std::optional<std::string>> bound_device(int fd) {
    const auto name = get_option<std::array<char, IFNAMSIZ>>(fd, SOL_SOCKET, SO_BINDTODEVICE);
    if (!name) return std::unexpected(name.error());
    if (name->front() == '\0') return std::nullopt;
    return std::string(name->data());  // the kernel terminates it with a NUL
}

result<void> bind_device(int fd, std::optional<std::string_view> interface) noexcept {
    std::array<char, IFNAMSIZ> name{};
    if (interface) {
        const bool fits = !interface->empty() && interface->size() < name.size() && !interface->contains('\0');
        if (!fits) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
        interface->copy(name.data(), name.size());
    }
    return set_option(fd, SOL_SOCKET, SO_BINDTODEVICE, name);
}

}  // namespace eddy::sys
