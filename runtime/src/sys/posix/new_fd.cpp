// SPDX-License-Identifier: MIT
#include "sys/new_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

// The systems that have accept4(2), dup3(2), pipe2(2), and the flags of socket(2).

namespace eddy::sys {

int new_socket(int family, int type) noexcept { return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int new_socket_pair(int family, int type, std::array<int, 2>& fds) noexcept {
    return ::socketpair(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data());
}

int new_pipe(std::array<int, 2>& fds) noexcept { return ::pipe2(fds.data(), O_NONBLOCK | O_CLOEXEC); }

int new_connection(int listener, sockaddr* peer, socklen_t* size) noexcept {
    return ::accept4(listener, peer, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int new_copy(int from, int to) noexcept { return ::dup3(from, to, O_CLOEXEC); }

void prevent_sigpipe(int) noexcept {}

}  // namespace eddy::sys
