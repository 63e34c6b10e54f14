// SPDX-License-Identifier: MIT
#include "sys/open_calls.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <eddy/fs/error.hpp>
#include <eddy/fs/metadata.hpp>

#include "sys/beneath.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_rules.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

const int current_directory = AT_FDCWD;

namespace {

std::unexpected<std::error_code> refusal(fs::errc why) { return std::unexpected(make_error_code(why)); }

/// Returns the flags of open(2), or an error if the options do not go together.
result<int> flags_of(const fs::open_options& options) {
    if (const auto valid = check_options(options); !valid) return std::unexpected(valid.error());
    int flags = O_CLOEXEC | O_NOCTTY | (options.flags() & ~O_ACCMODE);
    flags |= !options.writes() ? O_RDONLY : options.reads() ? O_RDWR : O_WRONLY;
    if (options.appends()) flags |= O_APPEND;
    if (options.creates_new()) {
        flags |= O_CREAT | O_EXCL;
    } else {
        if (options.creates()) flags |= O_CREAT;
        if (options.truncates()) flags |= O_TRUNC;
    }
    if (options.follows_no_link()) flags |= O_NOFOLLOW;
    return flags;
}

result<int> all_flags_of(const fs::open_options& options) {
    const auto valid = flags_of(options);
    if (!valid) return valid;
    int flags = *valid;
#if defined(O_DIRECT)
    if (options.is_direct()) flags |= O_DIRECT;
#else
    if (options.is_direct()) return std::unexpected(std::make_error_code(std::errc::not_supported));
#endif
#if defined(O_TMPFILE)
    if (options.is_temporary()) flags = (flags & ~(O_CREAT | O_TRUNC | O_EXCL)) | O_TMPFILE;
#else
    if (options.is_temporary()) return std::unexpected(std::make_error_code(std::errc::not_supported));
#endif
    return flags;
}

/// Returns whether the path names the directory for a file without a name.
bool is_temporary([[maybe_unused]] int flags) noexcept {
#if defined(O_TMPFILE)
    return (flags & O_TMPFILE) == O_TMPFILE;
#else
    return false;
#endif
}

/// Opens with O_NONBLOCK, so that a FIFO does not wait, and looks at what is there if that fails: a socket, a FIFO
/// without a reader, or a regular file that another process has a lease of. Only that one is then waited for.
result<unique_fd> open_without_fifo(int flags, const auto& open, const auto& find_metadata) {
    result<unique_fd> opened = open(flags | O_NONBLOCK);
    if (opened) {
        // The reads of some regular files wait, /proc/kmsg's for example. Without this, they would fail.
        static_cast<void>(::fcntl(opened->get(), F_SETFL, flags));
        return opened;
    }
    if (opened.error() == std::errc::is_a_directory && !is_temporary(flags)) return refusal(fs::errc::directory);
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

status_flags status_flags_of(int fd) noexcept {
    const int flags = std::max(::fcntl(fd, F_GETFL), 0);
#if defined(O_DIRECT)
    const bool is_direct = (flags & O_DIRECT) != 0;
#else
    const bool is_direct = false;
#endif
    return {(flags & O_APPEND) != 0, is_direct, (flags & (O_SYNC | O_DSYNC)) != 0};
}

result<void> close_file(int fd) noexcept {
    // Not repeated after EINTR: the number may belong to another file already.
    if (::close(fd) == 0 || errno == EINTR) return {};
    return std::unexpected(last_error());
}

}  // namespace eddy::sys
