// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include <eddy/fs/file.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/fs/open_options.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Files. All functions may block, except read_cached(). EINTR is retried. Errors are those of the system call.
namespace eddy::sys {

/// Stands for the current directory where a function takes a directory. Paths that are absolute ignore it.
extern const int current_directory;

/// Opens a file, relative to the directory `dir`. Does not wait for the other end of a FIFO.
/// Errors: invalid_argument if options do not go together.
[[nodiscard]] result<unique_fd> open_file(int dir, const char* path, const fs::open_options& options);

/// Same as open_file(), below the directory only; see open_beneath().
[[nodiscard]] result<unique_fd> open_file_beneath(int dir, const std::string& path, const fs::open_options& options);

/// Returns what is known about an open file, or about a path.
[[nodiscard]] result<fs::file_metadata> metadata_of(int fd);
[[nodiscard]] result<fs::file_metadata> metadata_at(int dir, const char* path, bool follow_link);
/// Same as above, below the directory only.
[[nodiscard]] result<fs::file_metadata> metadata_beneath(int dir, const std::string& path, bool follow_link);

/// Refuses what is neither a regular file nor a directory.
/// Errors: fs::errc::fifo, socket, terminal, device.
[[nodiscard]] result<void> check_type(int fd, std::filesystem::file_type type);

// ---- Contents ----

/// Reads what is in the page cache, without waiting for the disk. Bytes that are not there may make the result short.
/// Uses the first 16 buffers.
/// Errors: operation_would_block if no byte is there; operation_not_supported if the file system cannot tell.
[[nodiscard]] result<std::size_t> read_cached(int fd, std::span<const std::span<std::byte>> into,
                                              std::uint64_t offset) noexcept;
/// Reads at least one byte; 0 at the end of the file.
[[nodiscard]] result<std::size_t> read_some(int fd, std::span<std::byte> into, std::uint64_t offset) noexcept;
[[nodiscard]] result<std::size_t> write_some(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept;
[[nodiscard]] result<void> write_all(int fd, std::span<const std::byte> from, std::uint64_t offset) noexcept;

/// The flags that an open file has, whichever option has set them.
struct status_flags {
    bool appends;    // O_APPEND
    bool is_direct;  // O_DIRECT
};
[[nodiscard]] status_flags status_flags_of(int fd) noexcept;
/// The count of a write, and the position behind it.
struct appended {
    std::size_t count;
    std::uint64_t end;
};
/// Writes to a file that was opened with O_APPEND.
[[nodiscard]] result<appended> append_some(int fd, std::span<const std::byte> from) noexcept;

/// Copies at most `most` bytes inside the kernel, and advances both offsets.
/// Errors: operation_not_supported if these files cannot be copied so; copy them with reads and writes.
[[nodiscard]] result<std::size_t> copy_range(int from, std::uint64_t& from_offset, int to, std::uint64_t& to_offset,
                                             std::size_t most) noexcept;

// ---- An open file ----

[[nodiscard]] result<std::uint64_t> size_of(int fd) noexcept;
[[nodiscard]] result<void> truncate(int fd, std::uint64_t size) noexcept;
[[nodiscard]] result<void> allocate(int fd, std::uint64_t offset, std::uint64_t size) noexcept;
[[nodiscard]] result<void> advise(int fd, fs::access_pattern pattern, std::uint64_t offset,
                                  std::uint64_t size) noexcept;
[[nodiscard]] result<void> sync_data(int fd) noexcept;
[[nodiscard]] result<void> sync_all(int fd) noexcept;
[[nodiscard]] result<void> set_permissions(int fd, std::filesystem::perms permissions) noexcept;
[[nodiscard]] result<void> set_owner(int fd, std::uint32_t user, std::uint32_t group) noexcept;
[[nodiscard]] result<void> set_times(int fd, std::optional<fs::file_time> accessed,
                                     std::optional<fs::file_time> modified) noexcept;
[[nodiscard]] result<unique_fd> duplicate(int fd) noexcept;
/// Returns false if another open file has a lock that excludes this one.
[[nodiscard]] result<bool> try_lock(int fd, bool is_exclusive) noexcept;
void unlock(int fd) noexcept;
/// Closes the descriptor, which is invalid afterwards, also after an error.
[[nodiscard]] result<void> close_file(int fd) noexcept;

/// Returns a name that no other process guesses.
[[nodiscard]] std::string random_name();

}  // namespace eddy::sys
