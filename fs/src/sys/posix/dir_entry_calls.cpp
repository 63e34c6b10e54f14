// SPDX-License-Identifier: MIT
#include "sys/dir_entry_calls.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <string>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

result<void> unlink_at(int dir, const std::string& name, int flags) noexcept {
    return done_or_error(retry_interrupted([&] { return ::unlinkat(dir, name.c_str(), flags); }));
}

result<unique_fd> open_unfollowed(int dir, const char* name) noexcept {
    constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    return own_or_error(retry_interrupted([&] { return ::openat(dir, name, flags); }));
}

}  // namespace

result<unique_fd> open_subdirectory(int dir, const std::string& name) noexcept {
    auto opened = open_unfollowed(dir, name.c_str());
    // FreeBSD and macOS say ELOOP, or EMLINK.
    if (!opened &&
        (opened.error() == std::errc::too_many_symbolic_link_levels || opened.error() == std::errc::too_many_links))
        return std::unexpected(std::make_error_code(std::errc::not_a_directory));
    return opened;
}

result<unique_fd> open_parent(int dir) noexcept { return open_unfollowed(dir, ".."); }

result<void> make_directory(int dir, const std::string& name, unsigned mode) noexcept {
    return done_or_error(retry_interrupted([&] { return ::mkdirat(dir, name.c_str(), static_cast<mode_t>(mode)); }));
}

result<void> remove_entry(int dir, const std::string& name) noexcept {
    auto removed = unlink_at(dir, name, 0);
    if (removed) return removed;
    // A directory: EISDIR on Linux, EPERM elsewhere, and for a file that is protected.
    const bool may_be_directory =
        removed.error() == std::errc::is_a_directory || removed.error() == std::errc::operation_not_permitted;
    if (!may_be_directory) return removed;
    const auto as_directory = unlink_at(dir, name, AT_REMOVEDIR);
    return !as_directory && as_directory.error() == std::errc::not_a_directory ? removed : as_directory;
}

result<void> remove_subdirectory(int dir, const std::string& name) noexcept {
    auto removed = unlink_at(dir, name, AT_REMOVEDIR);
    if (!removed && removed.error() == std::errc::not_a_directory) return unlink_at(dir, name, 0);
    return removed;
}

result<void> rename_entry(int from, const std::string& from_name, int to, const std::string& to_name) noexcept {
    return done_or_error(retry_interrupted([&] { return ::renameat(from, from_name.c_str(), to, to_name.c_str()); }));
}

result<std::string> link_target(int dir, const std::string& name) {
    std::string text(PATH_MAX, '\0');  // more than a text has
    const auto size =
        count_or_error(retry_interrupted([&] { return ::readlinkat(dir, name.c_str(), text.data(), text.size()); }));
    if (!size) return std::unexpected(size.error());
    text.resize(*size);
    return text;
}

result<file_identity> identity_of(int fd) noexcept {
    struct stat status{};
    if (retry_interrupted([&] { return ::fstat(fd, &status); }) != 0) return std::unexpected(last_error());
    return file_identity{static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)};
}

}  // namespace eddy::sys
