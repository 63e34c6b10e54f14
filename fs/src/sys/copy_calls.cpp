// SPDX-License-Identifier: MIT
#include "sys/copy_calls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <limits>

#include "sys/files.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

/// Makes a call again while it is interrupted, which may happen on network file systems.
result<void> done(auto call) noexcept {
    if (retry_interrupted(call) < 0) return std::unexpected(last_error());
    return ok();
}

result<struct stat> status_at(int dir, const char* name) noexcept {
    struct stat found{};
    const auto asked = done([&] { return ::fstatat(dir, name, &found, AT_SYMLINK_NOFOLLOW); });
    if (!asked) return std::unexpected(asked.error());
    return found;
}

result<void> apply_owner_and_times(int dir, const char* name, const struct stat& of) noexcept {
    const auto owned = done([&] { return ::fchownat(dir, name, of.st_uid, of.st_gid, AT_SYMLINK_NOFOLLOW); });
    if (!owned && owned.error() != std::errc::operation_not_permitted) return owned;
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
    std::array<char, PATH_MAX> target{};  // one byte more than a target has
    const auto read = done([&] { return ::readlinkat(from, name.c_str(), target.data(), target.size() - 1); });
    if (!read) return read;
    const auto made = done([&] { return ::symlinkat(target.data(), to, to_name.c_str()); });
    if (!made) return made;
    return apply_owner_and_times(to, to_name.c_str(), *found);
}

result<void> copy_special(int from, const std::string& name, int to, const std::string& to_name) {
    const auto found = status_at(from, name.c_str());
    if (!found) return std::unexpected(found.error());
    const auto made = done([&] { return ::mknodat(to, to_name.c_str(), found->st_mode, found->st_rdev); });
    if (!made) return made;
    const auto permitted = done([&] { return ::fchmodat(to, to_name.c_str(), found->st_mode & 07777, 0); });
    if (!permitted) return permitted;
    return apply_owner_and_times(to, to_name.c_str(), *found);
}

result<void> link_entry(int from, const std::string& name, int to, const std::string& to_name) noexcept {
    return done([&] { return ::linkat(from, name.c_str(), to, to_name.c_str(), 0); });
}

result<void> apply_metadata(int fd, const fs::file_metadata& of) noexcept {
    // The owner first: a change of it removes the bits set-user-ID and set-group-ID.
    const auto owned = set_owner(fd, of.user, of.group);
    if (!owned && owned.error() != std::errc::operation_not_permitted) return owned;
    const auto permitted = set_permissions(fd, of.permissions);
    if (!permitted) return permitted;
    return set_times(fd, of.accessed, of.modified);
}

data_range next_data(int fd, std::uint64_t offset, std::uint64_t size) noexcept {
    constexpr auto no_end = std::numeric_limits<std::uint64_t>::max();
#if defined(SEEK_DATA)
    if (offset < size) {
        const auto begin = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
        if (begin < 0 && errno == ENXIO) return {size, no_end};
        const auto end = begin < 0 ? begin : ::lseek(fd, begin, SEEK_HOLE);
        if (end > begin) return {static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(end)};
    }
#endif
    return {offset, no_end};
}

}  // namespace eddy::sys
