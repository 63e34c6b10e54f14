// SPDX-License-Identifier: MIT
#include "sys/metadata_calls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <system_error>
#if defined(__linux__)
#include <sys/sysmacros.h>
#endif

#include <eddy/fs/error.hpp>

#include "sys/beneath.hpp"
#include "sys/dir_reader.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

namespace chrono = std::chrono;

constexpr std::int64_t nanoseconds_in_second = 1'000'000'000;

/// Returns the nearest time that 64 bits of nanoseconds can hold: from 1677 to 2262.
fs::file_time time_of(std::int64_t seconds, std::int64_t nanoseconds) noexcept {
    constexpr auto most = fs::file_time::max().time_since_epoch().count() / nanoseconds_in_second;
    if (seconds >= most) return fs::file_time::max();
    if (seconds <= -most) return fs::file_time::min();
    return fs::file_time(chrono::nanoseconds(seconds * nanoseconds_in_second + nanoseconds));
}

std::filesystem::perms perms_of(unsigned mode) noexcept { return std::filesystem::perms(mode & 07777); }

#if defined(__linux__)

result<fs::file_metadata> statx_of(int dir, const char* path, int flags) {
    struct statx from{};
    const auto done = done_or_error(retry_interrupted(
        [&] { return ::statx(dir, path, flags | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME, &from); }));
    if (!done) return std::unexpected(done.error());
    const auto time = [](const statx_timestamp& stamp) { return time_of(stamp.tv_sec, stamp.tv_nsec); };
    fs::file_metadata to;
    to.type = type_of_mode(from.stx_mode);
    to.permissions = perms_of(from.stx_mode);
    to.size = from.stx_size;
    to.allocated = from.stx_blocks * 512;
    to.links = from.stx_nlink;
    to.inode = from.stx_ino;
    to.device = ::makedev(from.stx_dev_major, from.stx_dev_minor);
    to.user = from.stx_uid;
    to.group = from.stx_gid;
    to.accessed = time(from.stx_atime);
    to.modified = time(from.stx_mtime);
    to.changed = time(from.stx_ctime);
    // The kernel fills in what the file system has, whatever was asked for.
    if ((from.stx_mask & STATX_BTIME) != 0) to.created = time(from.stx_btime);
    return to;
}

#else

fs::file_metadata converted(const struct stat& from) {
    fs::file_metadata to;
    to.type = type_of_mode(from.st_mode);
    to.permissions = perms_of(from.st_mode);
    to.size = static_cast<std::uint64_t>(from.st_size);
    to.allocated = static_cast<std::uint64_t>(from.st_blocks) * 512;
    to.links = from.st_nlink;
    to.inode = from.st_ino;
    to.device = static_cast<std::uint64_t>(from.st_dev);
    to.user = from.st_uid;
    to.group = from.st_gid;
#if defined(__APPLE__)
    to.accessed = time_of(from.st_atimespec.tv_sec, from.st_atimespec.tv_nsec);
    to.modified = time_of(from.st_mtimespec.tv_sec, from.st_mtimespec.tv_nsec);
    to.changed = time_of(from.st_ctimespec.tv_sec, from.st_ctimespec.tv_nsec);
    to.created = time_of(from.st_birthtimespec.tv_sec, from.st_birthtimespec.tv_nsec);
#else
    to.accessed = time_of(from.st_atim.tv_sec, from.st_atim.tv_nsec);
    to.modified = time_of(from.st_mtim.tv_sec, from.st_mtim.tv_nsec);
    to.changed = time_of(from.st_ctim.tv_sec, from.st_ctim.tv_nsec);
#endif
    return to;
}

#endif

}  // namespace

result<fs::file_metadata> metadata_beneath(int dir, const std::string& path, bool follow_link) {
#if defined(O_PATH)
    const auto opened = open_beneath(dir, path, O_PATH | (follow_link ? 0 : O_NOFOLLOW), 0, links::followed);
    if (!opened) return std::unexpected(opened.error());
    auto found = metadata_of(opened->get());
#else
    const auto at = find_beneath(dir, path);
    if (!at) return std::unexpected(at.error());
    auto found = metadata_at(at->dir, at->name.c_str(), false);
#endif
    // A system without openat2(2) has not followed the link.
    if (found && follow_link && found->is_symlink())
        return std::unexpected(std::make_error_code(std::errc::too_many_symbolic_link_levels));
    return found;
}

result<fs::file_metadata> metadata_of(int fd) {
#if defined(__linux__)
    return statx_of(fd, "", AT_EMPTY_PATH);
#else
    struct stat from{};
    const auto done = done_or_error(retry_interrupted([&] { return ::fstat(fd, &from); }));
    if (!done) return std::unexpected(done.error());
    return converted(from);
#endif
}

result<fs::file_metadata> metadata_at(int dir, const char* path, bool follow_link) {
    const int flags = follow_link ? 0 : AT_SYMLINK_NOFOLLOW;
#if defined(__linux__)
    return statx_of(dir, path, flags);
#else
    struct stat from{};
    const auto done = done_or_error(retry_interrupted([&] { return ::fstatat(dir, path, &from, flags); }));
    if (!done) return std::unexpected(done.error());
    return converted(from);
#endif
}

result<void> check_type(int fd, std::filesystem::file_type type) {
    using std::filesystem::file_type;
    switch (type) {
    case file_type::fifo: return std::unexpected(make_error_code(fs::errc::fifo));
    case file_type::socket: return std::unexpected(make_error_code(fs::errc::socket));
    case file_type::character:
        return std::unexpected(make_error_code(::isatty(fd) == 1 ? fs::errc::terminal : fs::errc::device));
    case file_type::block: return std::unexpected(make_error_code(fs::errc::device));
    case file_type::directory: return std::unexpected(make_error_code(fs::errc::directory));
    default: return {};
    }
}

result<void> set_permissions(int fd, std::filesystem::perms permissions) noexcept {
    return done_or_error(retry_interrupted([&] { return ::fchmod(fd, mode_of(permissions)); }));
}

result<void> set_owner(int fd, std::uint32_t user, std::uint32_t group) noexcept {
    return done_or_error(retry_interrupted([&] { return ::fchown(fd, user, group); }));
}

result<void> set_owner_at(const std::string& path, std::uint32_t user, std::uint32_t group, bool follow_link) noexcept {
    const int flags = follow_link ? 0 : AT_SYMLINK_NOFOLLOW;
    return done_or_error(retry_interrupted([&] { return ::fchownat(AT_FDCWD, path.c_str(), user, group, flags); }));
}

namespace {

timespec converted(const std::optional<fs::file_time>& time) noexcept {
    timespec to{};
    if (!time) {
        to.tv_nsec = UTIME_OMIT;
    } else {
        // Not chrono::floor(): its difference overflows near the first time.
        const auto since = time->time_since_epoch().count();
        const auto above = (since % nanoseconds_in_second + nanoseconds_in_second) % nanoseconds_in_second;
        to.tv_sec = static_cast<time_t>(since / nanoseconds_in_second - (since % nanoseconds_in_second < 0 ? 1 : 0));
        to.tv_nsec = static_cast<decltype(to.tv_nsec)>(above);
    }
    return to;
}

}  // namespace

result<void> set_times(int fd, std::optional<fs::file_time> accessed, std::optional<fs::file_time> modified) noexcept {
    const std::array times{converted(accessed), converted(modified)};
    return done_or_error(retry_interrupted([&] { return ::futimens(fd, times.data()); }));
}

result<void> set_times_at(const std::string& path, std::optional<fs::file_time> accessed,
                          std::optional<fs::file_time> modified) noexcept {
    const std::array times{converted(accessed), converted(modified)};
    return done_or_error(retry_interrupted([&] { return ::utimensat(AT_FDCWD, path.c_str(), times.data(), 0); }));
}

}  // namespace eddy::sys
