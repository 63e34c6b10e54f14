// SPDX-License-Identifier: MIT
#include "sys/bound_device.hpp"

#include <system_error>

// These systems cannot bind a socket to an interface by its name.

namespace eddy::sys {

result<std::optional<std::string>> bound_device(int) {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

result<void> bind_device(int, std::optional<std::string_view>) noexcept {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

}  // namespace eddy::sys
