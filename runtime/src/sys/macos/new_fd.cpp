// SPDX-License-Identifier: MIT
#include "sys/new_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "sys/fd.hpp"

namespace eddy::sys {
namespace {

/// Sets the flags. Returns false, and sets errno, after an error. If another thread forks between the creation of the
/// descriptor and this call, and the child calls exec, the new program inherits the descriptor. macOS has no call that
/// creates a descriptor with these flags.
bool set_flags(int fd) noexcept {
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return false;
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return false;
    prevent_sigpipe(fd);
    return true;
}

void close_and_keep_errno(int fd) noexcept {
    const int error = errno;
    close(fd);
    errno = error;
}

int with_flags(int fd) noexcept {
    if (fd < 0 || set_flags(fd)) return fd;
    close_and_keep_errno(fd);
    return -1;
}

int with_flags(int answer, const std::array<int, 2>& fds) noexcept {
    if (answer != 0 || (set_flags(fds[0]) && set_flags(fds[1]))) return answer;
    close_and_keep_errno(fds[0]);
    close_and_keep_errno(fds[1]);
    return -1;
}

}  // namespace

int new_socket(int family, int type) noexcept { return with_flags(::socket(family, type, 0)); }

int new_socket_pair(int family, int type, std::array<int, 2>& fds) noexcept {
    return with_flags(::socketpair(family, type, 0, fds.data()), fds);
}

int new_pipe(std::array<int, 2>& fds) noexcept { return with_flags(::pipe(fds.data()), fds); }

int new_connection(int listener, sockaddr* peer, socklen_t* size) noexcept {
    return with_flags(::accept(listener, peer, size));
}

int new_copy(int from, int to) noexcept {
    const int made = ::dup2(from, to);
    if (made >= 0) static_cast<void>(::fcntl(made, F_SETFD, FD_CLOEXEC));
    return made;
}

void prevent_sigpipe(int fd) noexcept { static_cast<void>(::fcntl(fd, F_SETNOSIGPIPE, 1)); }

}  // namespace eddy::sys
