// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/beneath.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

std::optional<result<unique_fd>> open_at_once(int dir, const std::string& path, int flags, unsigned mode,
                                              links allowed) noexcept {
    // EAGAIN: a rename or a mount happened meanwhile, so the kernel could not prove that ".." stays below.
    constexpr int attempts = 100;
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    // openat(3) adds it on 32-bit systems. The kernel refuses it together with O_PATH.
    if ((flags & O_PATH) == 0) how.flags |= O_LARGEFILE;
    const bool creates = (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) != 0;
    how.mode = creates ? mode & 07777 : 0;  // openat2(2) refuses a mode that has no use
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (allowed == links::refused ? RESOLVE_NO_SYMLINKS : 0);
    for (int left = attempts;; --left) {
        const auto fd = static_cast<int>(::syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how));
        // A kernel before 5.6, or a seccomp filter. A file may also refuse with EPERM; openat(2) will repeat that.
        if (fd < 0 && (errno == ENOSYS || errno == EPERM)) return std::nullopt;
        if (fd < 0 && (errno == EINTR || (errno == EAGAIN && left > 1))) continue;
        return own_or_error(fd);
    }
}

}  // namespace eddy::sys
