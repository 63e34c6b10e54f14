// SPDX-License-Identifier: MIT
#include "sys/files.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <limits>
#include <random>
#include <system_error>
#include <utility>
#if defined(__linux__)
#include <sys/sysmacros.h>
#endif

#include <eddy/error.hpp>

#include "sys/beneath.hpp"
#include "sys/dir_reader.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

const int current_directory = AT_FDCWD;

namespace {

namespace chrono = std::chrono;

std::error_code code_of(std::errc error) { return std::make_error_code(error); }

/// A size that the system accepts. Linux transfers at most this number of bytes in a call; macOS refuses more.
std::size_t most_bytes(std::size_t size) noexcept { return std::min<std::size_t>(size, 0x7fff'f000); }

bool is_offset(std::uint64_t offset) noexcept {
    return offset <= static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
}

constexpr auto bad_offset = std::errc::invalid_argument;  // as pread(2)

constexpr std::int64_t nanoseconds_in_second = 1'000'000'000;

/// Returns the nearest time that 64 bits of nanoseconds have: those of the years 1677 to 2262.
fs::file_time time_of(std::int64_t seconds, std::int64_t nanoseconds) noexcept {
    constexpr auto most = fs::file_time::max().time_since_epoch().count() / nanoseconds_in_second;
    if (seconds >= most) return fs::file_time::max();
    if (seconds <= -most) return fs::file_time::min();
    return fs::file_time(chrono::nanoseconds(seconds * nanoseconds_in_second + nanoseconds));
}

std::filesystem::perms perms_of(unsigned mode) noexcept { return std::filesystem::perms(mode & 07777); }
mode_t mode_of(std::filesystem::perms permissions) noexcept { return static_cast<mode_t>(permissions) & 07777; }

/// Returns the flags of open(2), or nothing if the options do not go together. The rules are Rust's.
std::optional<int> flags_of(const fs::open_options& options) {
    int flags = O_CLOEXEC | O_NOCTTY | (options.flags() & ~O_ACCMODE);
    if (options.writes()) {
        flags |= options.reads() ? O_RDWR : O_WRONLY;
    } else if (options.reads()) {
        flags |= O_RDONLY;
    } else {
        return std::nullopt;
    }
    const bool changes = options.truncates() || options.creates() || options.creates_new() || options.is_temporary();
    if (changes && !options.writes()) return std::nullopt;
    if (options.appends()) {
        if (options.truncates() && !options.creates_new()) return std::nullopt;
        flags |= O_APPEND;
    }
    if (options.creates_new()) {
        flags |= O_CREAT | O_EXCL;
    } else {
        if (options.creates()) flags |= O_CREAT;
        if (options.truncates()) flags |= O_TRUNC;
    }
    if (options.follows_no_link()) flags |= O_NOFOLLOW;
    return flags;
}

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

// ---- Open, metadata ----

namespace {

result<int> all_flags_of(const fs::open_options& options) {
    const auto valid = flags_of(options);
    if (!valid) return std::unexpected(code_of(std::errc::invalid_argument));
    int flags = *valid;
#if defined(O_DIRECT)
    if (options.is_direct()) flags |= O_DIRECT;
#else
    if (options.is_direct()) return std::unexpected(code_of(std::errc::not_supported));
#endif
#if defined(O_TMPFILE)
    if (options.is_temporary()) flags = (flags & ~(O_CREAT | O_TRUNC | O_EXCL)) | O_TMPFILE;
#else
    if (options.is_temporary()) return std::unexpected(code_of(std::errc::not_supported));
#endif
    return flags;
}

/// Opens with O_NONBLOCK, so that a FIFO does not wait, and looks at what is there if that fails: a socket, a FIFO
/// without a reader, or a regular file that another process has a lease of. Only that one is then waited for.
result<unique_fd> open_without_fifo(int flags, const auto& open, const auto& find_metadata) {
    result<unique_fd> opened = open(flags | O_NONBLOCK);
    if (opened) return opened;
    const bool may_be_leased = opened.error() == std::errc::operation_would_block;
    if (!may_be_leased && opened.error() != std::errc::no_such_device_or_address) return opened;
    const result<fs::file_metadata> found = find_metadata();
    if (!found) return opened;
    if (const auto fits = check_type(-1, found->type); !fits) return std::unexpected(fits.error());
    return may_be_leased && found->is_regular() ? open(flags) : std::move(opened);
}

}  // namespace

result<unique_fd> open_file(int dir, const char* path, const fs::open_options& options) {
    const auto flags = all_flags_of(options);
    if (!flags) return std::unexpected(flags.error());
    const auto mode = mode_of(options.permissions());
    return open_without_fifo(
        *flags,
        [&](int all) { return own_or_error(retry_interrupted([&] { return ::openat(dir, path, all, mode); })); },
        [&] { return metadata_at(dir, path, true); });
}

result<unique_fd> open_file_beneath(int dir, const std::string& path, const fs::open_options& options) {
    const auto flags = all_flags_of(options);
    if (!flags) return std::unexpected(flags.error());
    return open_without_fifo(
        *flags, [&](int all) { return open_beneath(dir, path, all, mode_of(options.permissions()), links::followed); },
        [&] { return metadata_beneath(dir, path, true); });
}

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
        return std::unexpected(code_of(std::errc::too_many_symbolic_link_levels));
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
    default: return {};
    }
}

// ---- Contents ----

result<std::size_t> read_cached(int fd, std::span<const std::span<std::byte>> into, std::uint64_t offset) noexcept {
#if defined(RWF_NOWAIT)
    std::array<iovec, 16> list;  // the caller sees that further buffers were not filled
    std::size_t count = 0;
    for (const auto& part : into.first(std::min(into.size(), list.size()))) list[count++] = {part.data(), part.size()};
    // preadv2(2): an offset of -1 is the position of the descriptor.
    if (!is_offset(offset)) return std::unexpected(code_of(bad_offset));
    return count_or_error(retry_interrupted(
        [&] { return ::preadv2(fd, list.data(), static_cast<int>(count), static_cast<off_t>(offset), RWF_NOWAIT); }));
#else
    static_cast<void>(fd), static_cast<void>(into), static_cast<void>(offset);
    return std::unexpected(code_of(std::errc::operation_not_supported));
#endif
}

result<std::size_t> read_some(int fd, std::span<std::byte> into, std::uint64_t offset) noexcept {
    if (!is_offset(offset)) return std::unexpected(code_of(bad_offset));
    return count_or_error(retry_interrupted(
        [&] { return ::pread(fd, into.data(), most_bytes(into.size()), static_cast<off_t>(offset)); }));
}

result<std::size_t> write_some(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept {
    if (!is_offset(offset)) return std::unexpected(code_of(bad_offset));
    return count_or_error(retry_interrupted(
        [&] { return ::pwrite(fd, from.data(), most_bytes(from.size()), static_cast<off_t>(offset)); }));
}

result<void> write_all(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept {
    while (!from.empty()) {
        const auto count = write_some(fd, from, offset);
        if (!count) return std::unexpected(count.error());
        if (*count == 0) return std::unexpected(make_error_code(errc::write_zero));
        from = from.subspan(*count);
        offset += *count;
    }
    return {};
}

status_flags status_flags_of(int fd) noexcept {
    const int flags = std::max(::fcntl(fd, F_GETFL), 0);
#if defined(O_DIRECT)
    const bool is_direct = (flags & O_DIRECT) != 0;
#else
    const bool is_direct = false;
#endif
    return {(flags & O_APPEND) != 0, is_direct};
}

result<appended> append_some(int fd, std::span<const std::byte> from) noexcept {
    // Not pwrite(2), whose position says nothing about the end of the file. write(2) leaves the position behind its
    // bytes; only jobs of one file use it, one after the other.
    const auto count =
        count_or_error(retry_interrupted([&] { return ::write(fd, from.data(), most_bytes(from.size())); }));
    if (!count) return std::unexpected(count.error());
    const off_t end = ::lseek(fd, 0, SEEK_CUR);
    if (end < 0) return std::unexpected(last_error());
    return appended{*count, static_cast<std::uint64_t>(end)};
}

result<std::size_t> copy_range(int from, std::uint64_t& from_offset, int to, std::uint64_t& to_offset,
                               std::size_t most) noexcept {
#if defined(__linux__)
    if (!is_offset(from_offset) || !is_offset(to_offset)) return std::unexpected(code_of(bad_offset));
    auto in = static_cast<loff_t>(from_offset), out = static_cast<loff_t>(to_offset);
    const auto count = retry_interrupted([&] { return ::copy_file_range(from, &in, to, &out, most_bytes(most), 0); });
    if (count >= 0) {
        from_offset = static_cast<std::uint64_t>(in);
        to_offset = static_cast<std::uint64_t>(out);
        return static_cast<std::size_t>(count);
    }
    // Two file systems before Linux 5.3, or of two kinds; no system call, or a filter; EPERM on CIFS, EINVAL and
    // EOPNOTSUPP for files that have no range to copy.
    constexpr std::array cannot{EXDEV, ENOSYS, EPERM, EINVAL, EOPNOTSUPP, EBADF, ETXTBSY};
    if (std::ranges::find(cannot, errno) == cannot.end()) return std::unexpected(last_error());
#else
    static_cast<void>(from), static_cast<void>(from_offset), static_cast<void>(to), static_cast<void>(to_offset);
    static_cast<void>(most);
#endif
    return std::unexpected(code_of(std::errc::operation_not_supported));
}

// ---- An open file ----

result<std::uint64_t> size_of(int fd) noexcept {
    struct stat status{};
    const auto done = done_or_error(retry_interrupted([&] { return ::fstat(fd, &status); }));
    if (!done) return std::unexpected(done.error());
    return static_cast<std::uint64_t>(status.st_size);
}

result<void> truncate(int fd, std::uint64_t size) noexcept {
    if (!is_offset(size)) return std::unexpected(code_of(std::errc::file_too_large));
    return done_or_error(retry_interrupted([&] { return ::ftruncate(fd, static_cast<off_t>(size)); }));
}

result<void> allocate(int fd, std::uint64_t offset, std::uint64_t size) noexcept {
    if (!is_offset(offset) || !is_offset(size)) return std::unexpected(code_of(std::errc::file_too_large));
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
    return std::unexpected(code_of(std::errc::operation_not_supported));
#endif
}

result<void> advise(int fd, fs::access_pattern pattern, std::uint64_t offset, std::uint64_t size) noexcept {
    if (!is_offset(offset) || !is_offset(size)) return std::unexpected(code_of(bad_offset));
#if defined(POSIX_FADV_NORMAL)
    constexpr std::array advice{POSIX_FADV_NORMAL,   POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM,
                                POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED,   POSIX_FADV_NOREUSE};
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

result<void> set_permissions(int fd, std::filesystem::perms permissions) noexcept {
    return done_or_error(retry_interrupted([&] { return ::fchmod(fd, mode_of(permissions)); }));
}

result<void> set_owner(int fd, std::uint32_t user, std::uint32_t group) noexcept {
    return done_or_error(retry_interrupted([&] { return ::fchown(fd, user, group); }));
}

result<void> set_times(int fd, std::optional<fs::file_time> accessed, std::optional<fs::file_time> modified) noexcept {
    const auto converted = [](const std::optional<fs::file_time>& time) {
        timespec to{};
        if (!time) {
            to.tv_nsec = UTIME_OMIT;
        } else {
            // Not chrono::floor(): its difference overflows near the first time.
            const auto since = time->time_since_epoch().count();
            const auto above = (since % nanoseconds_in_second + nanoseconds_in_second) % nanoseconds_in_second;
            to.tv_sec =
                static_cast<time_t>(since / nanoseconds_in_second - (since % nanoseconds_in_second < 0 ? 1 : 0));
            to.tv_nsec = static_cast<decltype(to.tv_nsec)>(above);
        }
        return to;
    };
    const std::array times{converted(accessed), converted(modified)};
    return done_or_error(retry_interrupted([&] { return ::futimens(fd, times.data()); }));
}

result<unique_fd> duplicate(int fd) noexcept { return own_or_error(::fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

// Locks of the open file: those of the process (F_SETLK) vanish when any descriptor of the file is closed.
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

result<void> close_file(int fd) noexcept {
    // Not repeated after EINTR: the number may belong to another file already.
    if (::close(fd) == 0 || errno == EINTR) return {};
    return std::unexpected(last_error());
}

std::string random_name() {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::random_device source;
    std::string name(16, ' ');
    for (char& letter : name) letter = letters[source() % letters.size()];
    return name;
}

}  // namespace eddy::sys
