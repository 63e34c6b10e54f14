// SPDX-License-Identifier: MIT
#include "sys/served_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>
#if defined(__linux__)
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

constexpr int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

int open_at(int folder, const char* name, int more) noexcept {
    return retry_interrupted([&] { return ::openat(folder, name, flags | more); });
}

/// Opens each part of the path without following symbolic links.
int open_parts(int root, std::string_view path) {
    unique_fd at;
    while (true) {
        const auto end = path.find('/');
        const bool is_last = end == std::string_view::npos;
        const std::string name(path.substr(0, end));
        unique_fd next(open_at(at ? at.get() : root, name.c_str(), O_NOFOLLOW | (is_last ? 0 : O_DIRECTORY)));
        if (!next || is_last) return next.release();
        at = std::move(next);
        path.remove_prefix(end + 1);
    }
}

int open_path(int root, const std::string& path) {
#if defined(__linux__)
    open_how how{};
    how.flags = flags;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    for (int tries = 0; tries < 10; ++tries) {
        const auto fd = static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how));
        if (fd >= 0) return fd;
        if (errno == ENOSYS || errno == EPERM) break;  // an old kernel, or a seccomp filter
        // EAGAIN: a rename or mount happened meanwhile, so the kernel could not prove that the path stays below.
        if (errno != EINTR && errno != EAGAIN) return -1;
    }
#endif
    return open_parts(root, path);
}

}  // namespace

result<served_file> open_below(const std::string& root, const std::string& path) {
    const unique_fd folder(open_at(AT_FDCWD, root.c_str(), O_DIRECTORY));
    if (!folder) return std::unexpected(last_error());
    served_file opened;
    opened.fd.reset(path.empty() ? open_at(folder.get(), ".", 0) : open_path(folder.get(), path));
    if (!opened.fd) return std::unexpected(last_error());
    struct stat status{};
    if (::fstat(opened.fd.get(), &status) != 0) return std::unexpected(last_error());
    opened.size = static_cast<std::uint64_t>(status.st_size);
#if defined(__APPLE__)
    opened.seconds = status.st_mtimespec.tv_sec;
    opened.nanoseconds = status.st_mtimespec.tv_nsec;
#else
    opened.seconds = status.st_mtim.tv_sec;
    opened.nanoseconds = status.st_mtim.tv_nsec;
#endif
    opened.is_folder = S_ISDIR(status.st_mode);
    opened.is_regular = S_ISREG(status.st_mode);
    return opened;
}

result<std::size_t> read_at(int fd, std::uint64_t position, std::span<std::byte> into) noexcept {
    return count_or_error(
        retry_interrupted([&] { return ::pread(fd, into.data(), into.size(), static_cast<off_t>(position)); }));
}

}  // namespace eddy::sys
