// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Files that a server sends. The functions block.
namespace eddy::sys {

/// An open file or folder.
struct served_file {
    unique_fd fd;
    std::uint64_t size = 0;
    std::int64_t seconds = 0;  // of the last modification, since 1970
    std::int64_t nanoseconds = 0;
    bool is_folder = false;
    bool is_regular = false;
};

/// Opens the file `path` below the folder `root`. `path` is relative and has no part "." or "..". Does not wait for the
/// other end of a FIFO.
/// Errors: on Linux 5.6 and later, cross_device_link for a symbolic link that is absolute or leads out of the folder;
/// elsewhere, too_many_symbolic_link_levels or not_a_directory for each symbolic link below the folder; what openat(2)
/// reports.
[[nodiscard]] result<served_file> open_below(const std::string& root, const std::string& path);

/// Reads from a position. Returns 0 at the end of the file.
/// Errors: what pread(2) reports.
[[nodiscard]] result<std::size_t> read_at(int fd, std::uint64_t position, std::span<std::byte> into) noexcept;

}  // namespace eddy::sys
