// SPDX-License-Identifier: MIT
#include "sys/lock_calls.hpp"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "sys/syscall.hpp"

namespace eddy::sys {

#if defined(F_OFD_SETLK)

result<bool> try_lock(int fd, bool is_exclusive) noexcept {
    struct flock whole{};  // l_pid must be 0
    whole.l_type = is_exclusive ? F_WRLCK : F_RDLCK;
    whole.l_whence = SEEK_SET;
    if (retry_interrupted([&] { return ::fcntl(fd, F_OFD_SETLK, &whole); }) == 0) return true;
    if (errno == EAGAIN || errno == EACCES) return false;
    return std::unexpected(last_error());
}

void unlock(int fd) noexcept {
    struct flock whole{};
    whole.l_type = F_UNLCK;
    whole.l_whence = SEEK_SET;
    static_cast<void>(::fcntl(fd, F_OFD_SETLK, &whole));
}

#else

result<bool> try_lock(int fd, bool is_exclusive) noexcept {
    const int kind = is_exclusive ? LOCK_EX : LOCK_SH;
    if (retry_interrupted([&] { return ::flock(fd, kind | LOCK_NB); }) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    return std::unexpected(last_error());
}

void unlock(int fd) noexcept { static_cast<void>(::flock(fd, LOCK_UN)); }

#endif

}  // namespace eddy::sys
