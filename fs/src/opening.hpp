// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

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

}  // namespace eddy::fs::detail
