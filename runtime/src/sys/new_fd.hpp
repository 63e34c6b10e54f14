// SPDX-License-Identifier: MIT
#pragma once

#include <array>

#include "sys/socket_api.hpp"

namespace eddy::sys {

/// Create descriptors that are non-blocking and close-on-exec. Return -1, and set errno, after an error.
/// Cost: one system call. macOS cannot set the flags in that call, and needs four more calls for each descriptor.
[[nodiscard]] int new_socket(int family, int type) noexcept;
[[nodiscard]] int new_socket_pair(int family, int type, std::array<int, 2>& fds) noexcept;
[[nodiscard]] int new_pipe(std::array<int, 2>& fds) noexcept;
[[nodiscard]] int new_connection(int listener, sockaddr* peer, socklen_t* size) noexcept;

/// Makes `to` a close-on-exec copy of the descriptor `from`, see dup2(2). Returns -1, and sets errno, after an error.
[[nodiscard]] int new_copy(int from, int to) noexcept;

/// On macOS, sets a flag of this socket or pipe so that writes raise no SIGPIPE. Does nothing on other systems, where
/// the calls that write prevent the signal.
void prevent_sigpipe(int fd) noexcept;

}  // namespace eddy::sys
