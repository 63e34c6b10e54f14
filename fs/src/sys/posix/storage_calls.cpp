// SPDX-License-Identifier: MIT
#include "sys/storage_calls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <system_error>

#include "sys/offsets.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

result<std::uint64_t> size_of(int fd) noexcept {
    struct stat status{};
    const auto done = done_or_error(retry_interrupted([&] { return ::fstat(fd, &status); }));
    if (!done) return std::unexpected(done.error());
    return static_cast<std::uint64_t>(status.st_size);
}

result<void> truncate(int fd, std::uint64_t size) noexcept {
    if (!is_offset(size)) return std::unexpected(std::make_error_code(std::errc::file_too_large));
    return done_or_error(retry_interrupted([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }));
}

result<void> allocate(int fd, std::uint64_t offset, std::uint64_t size) noexcept {
    if (!is_offset(offset) || !is_offset(size)) return std::unexpected(std::make_error_code(std::errc::file_too_large));
#if defined(__linux__)
    // Not posix_fallocate(3), which writes to each block where the file system cannot allocate.
    return done_or_error(
        retry_interrupted([&] { return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size)); }));
#elif defined(__FreeBSD__) || defined(__NetBSD__)
    const int error = ::posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(size));
    if (error != 0) return std::unexpected(std::error_code(error, std::generic_category()));
    return {};
#else
    static_cast<void>(fd);
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
#endif
}

result<void> advise(int fd, fs::access_pattern pattern, std::uint64_t offset, std::uint64_t size) noexcept {
    if (!is_offset(offset) || !is_offset(size))
        return std::unexpected(std::make_error_code(std::errc::invalid_argument));
#if defined(POSIX_FADV_NORMAL)
    constexpr std::array advice{POSIX_FADV_NORMAL, POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM, POSIX_FADV_WILLNEED,
                                POSIX_FADV_DONTNEED};
    const int error = ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(size),
                                      advice[static_cast<std::size_t>(pattern)]);
    if (error != 0) return std::unexpected(std::error_code(error, std::generic_category()));
#else
    static_cast<void>(fd), static_cast<void>(pattern);  // only a hint
#endif
    return {};
}

result<void> sync_data(int fd) noexcept {
#if defined(__APPLE__)
    return sync_all(fd);
#else
    return done_or_error(retry_interrupted([&] { return ::fdatasync(fd); }));
#endif
}

result<void> sync_all(int fd) noexcept {
#if defined(__APPLE__)
    // fsync(2) leaves the bytes in the cache of the disk there.
    if (retry_interrupted([&] { return ::fcntl(fd, F_FULLFSYNC); }) == 0) return {};
#endif
    return done_or_error(retry_interrupted([&] { return ::fsync(fd); }));
}

result<void> sync_file_system(int fd) noexcept {
#if defined(__linux__)
    return done_or_error(retry_interrupted([&] { return ::syncfs(fd); }));
#else
    static_cast<void>(fd);
    ::sync();
    return {};
#endif
}

result<fs::file_system_info> file_system_of(const std::string& path) {
    struct statvfs found{};
    const auto done = done_or_error(retry_interrupted([&] { return ::statvfs(path.c_str(), &found); }));
    if (!done) return std::unexpected(done.error());
    fs::file_system_info to;
    to.block_size = found.f_frsize;
    to.total = to.block_size * found.f_blocks;
    to.free = to.block_size * found.f_bfree;
    to.available = to.block_size * found.f_bavail;
    to.files = found.f_files;
    to.free_files = found.f_ffree;
    to.longest_name = found.f_namemax;
    to.is_read_only = (found.f_flag & ST_RDONLY) != 0;
    return to;
}

}  // namespace eddy::sys
