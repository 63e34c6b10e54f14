// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <eddy/result.hpp>

namespace eddy::sys {

/// Returns the name of the network interface that the socket is bound to, if any.
/// Errors: what getsockopt(2) reports; not_supported if this system cannot bind a socket to an interface by its name.
[[nodiscard]] result<std::optional<std::string>> bound_device(int fd);

/// Binds the socket to a network interface, or to none.
/// Errors: invalid_argument if the name is empty, too long, or contains a NUL; what setsockopt(2) reports
/// (no_such_device if there is no interface of this name); not_supported if this system cannot bind a socket to an
/// interface by its name.
[[nodiscard]] result<void> bind_device(int fd, std::optional<std::string_view> interface) noexcept;

}  // namespace eddy::sys
