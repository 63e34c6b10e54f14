// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <eddy/fs/open_options.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Opening and closing files. All functions may block. EINTR is retried. Errors come from the system call.
namespace eddy::sys {

/// Stands for the current directory where a function takes a directory. Paths that are absolute ignore it.
extern const int current_directory;

/// Opens a file, relative to the directory `dir`. Does not wait for the other end of a FIFO.
/// Errors: fs::errc::no_access, needs_write or append_truncate if options do not go together; fs::errc::directory if it
/// is one, and the options change the file.
[[nodiscard]] result<unique_fd> open_file(int dir, const char* path, const fs::open_options& options);

/// Same as open_file(), below the directory only; see open_beneath().
[[nodiscard]] result<unique_fd> open_file_beneath(int dir, const std::string& path, const fs::open_options& options);

/// The flags that an open file has, whichever option has set them.
struct status_flags {
    bool appends;    // O_APPEND
    bool is_direct;  // O_DIRECT
    bool is_synced;  // O_SYNC or O_DSYNC: a write waits for the disk
};
[[nodiscard]] status_flags status_flags_of(int fd) noexcept;

/// Whether a file is on a file system of this machine, in which a write waits for no server and no other process. May
/// block, as fstat(2) does.
[[nodiscard]] bool is_local(int fd) noexcept;

/// Closes the descriptor, which is invalid afterwards, also after an error.
[[nodiscard]] result<void> close_file(int fd) noexcept;

#if defined(_WIN32)
/// Returns another descriptor of an open file, as sys/syscall.hpp has on other systems.
[[nodiscard]] result<unique_fd> duplicate(int fd) noexcept;
#endif

}  // namespace eddy::sys
