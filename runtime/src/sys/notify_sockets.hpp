// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "sys/this_process.hpp"

namespace eddy::sys {

/// The names of the sockets that get messages about the service that this process is; "" if there is none. They are
/// views of the environment.
struct notify_sockets {
    std::string_view predecessor;
    std::string_view manager;
};

/// Reads the names from the environment.
///
/// process::hand_over() sets NOTIFY_SOCKET to a socket of its own, so that it knows when any program is ready. In
/// EDDY_NOTIFY_SOCKET, it passes this name, a space, and the name of the manager's socket. That variable does not count
/// if a program in between has replaced NOTIFY_SOCKET, too. The predecessor counts only while it is the parent:
/// afterwards its socket is closed, and any user may have one with this name.
[[nodiscard]] inline notify_sockets find_notify_sockets() noexcept {
    const std::string_view socket = unchecked_environment("NOTIFY_SOCKET");
    const std::string_view both = unchecked_environment("EDDY_NOTIFY_SOCKET");
    const auto end = both.find(' ');
    if (end == std::string_view::npos || both.substr(0, end) != socket) return {{}, socket};
    const bool lives = number_in_environment("EDDY_PREDECESSOR") == parent_process_id();
    return {lives ? socket : std::string_view(), both.substr(end + 1)};
}

}  // namespace eddy::sys
