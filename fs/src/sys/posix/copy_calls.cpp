// SPDX-License-Identifier: MIT
#include "sys/copy_calls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <string>
#include <system_error>

#include "sys/dir_entry_calls.hpp"
#include "sys/dir_reader.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/storage_calls.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

/// Makes a call again while it is interrupted, which may happen on network file systems.
result<void> done(auto call) noexcept { return done_or_error(static_cast<int>(retry_interrupted(call))); }

result<struct stat> status_at(int dir, const char* name) noexcept {
    struct stat found{};
    const auto asked = done([&] { return ::fstatat(dir, name, &found, AT_SYMLINK_NOFOLLOW); });
    if (!asked) return std::unexpected(asked.error());
    return found;
}

/// Returns whether a call has set the owner. False if this process may not give files away, or if its user namespace
/// has no such owner.
result<bool> is_given_away(const result<void>& owned) noexcept {
    if (owned) return true;
    if (owned.error() == std::errc::operation_not_permitted || owned.error() == std::errc::invalid_argument)
        return false;
    return std::unexpected(owned.error());
}

result<bool> apply_owner_at(int dir, const char* name, const struct stat& of) noexcept {
    return is_given_away(done([&] { return ::fchownat(dir, name, of.st_uid, of.st_gid, AT_SYMLINK_NOFOLLOW); }));
}

/// Sets the permissions of an entry that is no symbolic link.
result<void> apply_permissions(int dir, const char* name, mode_t type, mode_t permissions) noexcept {
    auto set = done([&] { return ::fchmodat(dir, name, permissions, AT_SYMLINK_NOFOLLOW); });
#if defined(O_PATH)
    // glibc before 2.32 has no such flag, and a symbolic link has no permissions.
    if (set || set.error() != std::errc::operation_not_supported) return set;
    const auto opened =
        own_or_error(retry_interrupted([&] { return ::openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC); }));
    if (!opened) return std::unexpected(opened.error());
    struct stat found{};
    const auto asked = done([&] { return ::fstat(opened->get(), &found); });
    if (!asked) return asked;
    if ((found.st_mode & S_IFMT) != type) return set;
    const auto path = "/proc/self/fd/" + std::to_string(opened->get());
    set = done([&] { return ::chmod(path.c_str(), permissions); });
#else
    static_cast<void>(type);
#endif
    return set;
}

result<void> apply_times(int dir, const char* name, const struct stat& of) noexcept {
#if defined(__APPLE__)
    const std::array<timespec, 2> times = {of.st_atimespec, of.st_mtimespec};
#else
    const std::array<timespec, 2> times = {of.st_atim, of.st_mtim};
#endif
    return done([&] { return ::utimensat(dir, name, times.data(), AT_SYMLINK_NOFOLLOW); });
}

}  // namespace

result<void> copy_symlink(int from, const std::string& name, int to, const std::string& to_name) {
    const auto found = status_at(from, name.c_str());
    if (!found) return std::unexpected(found.error());
    const auto target = link_target(from, name);
    if (!target) return std::unexpected(target.error());
    const auto made = done([&] { return ::symlinkat(target->c_str(), to, to_name.c_str()); });
    if (!made) return made;
    const auto owned = apply_owner_at(to, to_name.c_str(), *found);
    if (!owned) return std::unexpected(owned.error());
    return apply_times(to, to_name.c_str(), *found);
}

result<void> copy_special(int from, const std::string& name, int to, const std::string& to_name) {
    const auto found = status_at(from, name.c_str());
    if (!found) return std::unexpected(found.error());
    const auto made = done([&] { return ::mknodat(to, to_name.c_str(), found->st_mode, found->st_rdev); });
    if (!made) return made;
    const auto owned = apply_owner_at(to, to_name.c_str(), *found);
    if (!owned) return std::unexpected(owned.error());
    const auto permissions = mode_of(
        permissions_of_copy(type_of_mode(found->st_mode), std::filesystem::perms(found->st_mode & 07777U), *owned));
    const auto permitted = apply_permissions(to, to_name.c_str(), found->st_mode & S_IFMT, permissions);
    if (!permitted) return permitted;
    return apply_times(to, to_name.c_str(), *found);
}

result<void> link_entry(int from, const std::string& name, int to, const std::string& to_name) noexcept {
    return done([&] { return ::linkat(from, name.c_str(), to, to_name.c_str(), 0); });
}

result<bool> apply_owner(int fd, const fs::file_metadata& of) noexcept {
    return is_given_away(set_owner(fd, of.user, of.group));
}

result<void> apply_metadata(int fd, const fs::file_metadata& of) noexcept {
    // The owner first: a change of it removes the bits set-user-ID and set-group-ID.
    const auto owned = apply_owner(fd, of);
    if (!owned) return std::unexpected(owned.error());
    const auto permitted = set_permissions(fd, permissions_of_copy(of.type, of.permissions, *owned));
    if (!permitted) return permitted;
    return set_times(fd, of.accessed, of.modified);
}

result<data_range> next_data(int fd, std::uint64_t offset) noexcept {
    constexpr auto no_end = std::numeric_limits<std::uint64_t>::max();
#if defined(SEEK_DATA)
    const auto size = size_of(fd);
    if (!size) return std::unexpected(size.error());
    if (offset < *size) {
        const auto begin = retry_interrupted([&] { return ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA); });
        if (begin < 0 && errno == ENXIO) {
            // A part that was cut off, or appended, between the three calls does not count as a hole.
            const auto now = size_of(fd);
            if (!now) return std::unexpected(now.error());
            return data_range{std::max(offset, std::min(*size, *now)), no_end};
        }
        const auto end = begin < 0 ? begin : retry_interrupted([&] { return ::lseek(fd, begin, SEEK_HOLE); });
        if (end > begin) return data_range{static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
    }
#endif
    return data_range{offset, no_end};
}

}  // namespace eddy::sys
