// SPDX-License-Identifier: MIT
#pragma once

#include <sys/socket.h>

#include <array>

namespace eddy::sys {

/// Create descriptors that are non-blocking and close-on-exec. Return -1, and set errno, after an error.
/// Cost: one system call; up to four on macOS, which cannot set the flags in the same call.
[[nodiscard]] int new_socket(int family, int type) noexcept;
[[nodiscard]] int new_socket_pair(int family, int type, std::array<int, 2>& fds) noexcept;
[[nodiscard]] int new_pipe(std::array<int, 2>& fds) noexcept;
[[nodiscard]] int new_connection(int listener, sockaddr* peer, socklen_t* size) noexcept;

/// Makes writes to this socket or pipe raise no SIGPIPE, if that is a property of the descriptor in this system
/// (macOS). Elsewhere, it is a property of each call.
void prevent_sigpipe(int fd) noexcept;

}  // namespace eddy::sys
