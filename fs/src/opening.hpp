// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include <eddy/fs/error.hpp>
#include <eddy/fs/file.hpp>
#include <eddy/fs/open_options.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Functions for jobs: they block.
namespace eddy::fs::detail {

struct lock_count;

/// Checks that a path can be passed to the system.
/// Errors: eddy::errc::bad_path if it is empty or contains a NUL.
[[nodiscard]] eddy::result<void> check_path(const std::filesystem::path& path) noexcept;

/// Makes a file of a descriptor. `locks` comes from the file of which this one is a clone.
/// Errors: errc::directory, errc::fifo and similar if it is not a regular file.
[[nodiscard]] eddy::result<file> own_file(eddy::sys::unique_fd fd, const std::filesystem::path& path,
                                          const open_options& options, std::uint64_t position = 0,
                                          std::shared_ptr<lock_count> locks = nullptr);

/// Returns `dir`, or the directory for temporary files if it is empty.
[[nodiscard]] std::filesystem::path or_temporary(const std::filesystem::path& dir);

/// Opens a file; see open_options::open().
[[nodiscard]] eddy::result<file> open(const std::filesystem::path& path, const open_options& options);

/// The same, without an object for it.
[[nodiscard]] eddy::result<eddy::sys::unique_fd> open_fd(const std::filesystem::path& path,
                                                         const open_options& options);

/// Returns which path of a failed system call with two the error is about. The system does not tell: if the first one
/// can be found, relative to the directory `dir`, the second one cannot be resolved or created.
[[nodiscard]] side failed_side(int dir, const std::string& first, const std::error_code& why);

}  // namespace eddy::fs::detail
