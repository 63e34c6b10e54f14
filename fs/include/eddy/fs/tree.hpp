// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/task/task.hpp>

namespace eddy::fs {

/// Removes a file, or a directory with all that is in it. Returns the number of files and directories that were
/// removed; 0 if there is no `path`. A symbolic link is removed itself.
///
/// No symbolic link below `path` is followed, also if another process replaces a directory by one meanwhile
/// (CVE-2022-21658). Entries that another process removes meanwhile are no error.
/// Errors: invalid_argument if the last part of `path` is "." or ".."; the first error of a system call. What was
/// removed before the error stays removed.
/// Cancel safety: safe to drop. The step that has begun finishes; the rest stays.
/// Cost: one job for each 512 entries. At most 66 open descriptors, at any depth.
[[nodiscard]] EDDY_API task<result<std::uint64_t>> remove_all(std::filesystem::path path);

}  // namespace eddy::fs
