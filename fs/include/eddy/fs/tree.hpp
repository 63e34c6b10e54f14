// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>

#include <eddy/detail/export.hpp>
#include <eddy/fs/dir.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/task/task.hpp>

namespace eddy::fs {

/// Removes a file, or a directory with all that is in it. Returns the number of files and directories that were
/// removed; 0 if there is no `path`. A symbolic link is removed itself.
///
/// No symbolic link below `path` is followed, also if another process replaces a directory by one meanwhile
/// (CVE-2022-21658). Entries that another process removes meanwhile are no error.
/// Errors: errc::no_name if the last part of `path` is "." or ".."; the first error of a system call. What was
/// removed before the error stays removed.
/// Cancel safety: safe to drop. The step that has begun finishes; the rest stays.
/// Cost: one job for each 512 entries. At most 66 open descriptors, at any depth.
EDDY_API task<result<std::uint64_t>> remove_all(std::filesystem::path path);

/// How copy_tree() copies.
/// Thread safety: a plain value.
class copy_options {
public:
    /// Constructs options with the defaults.
    copy_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Copies into directories that exist, and replaces files that exist. Off by default: an entry that exists is an
    /// error. A symbolic link is replaced itself; nothing is written to its target. A file that is replaced keeps its
    /// contents until the new one is complete. The new one has a temporary name before, `.copy.` and 16 letters or
    /// digits, which is left if the program is killed. A directory is not replaced by a file.
    copy_options& overwrite(bool on) noexcept {
        overwrite_ = on;
        return *this;
    }

    /// For the library: the option.
    [[nodiscard]] bool overwrites() const noexcept { return overwrite_; }

private:
    bool overwrite_ = false;
};

/// Copies a directory with all that is in it to `to`, which is created. Returns the number of files and directories
/// below `from` that were copied.
///
/// Everything is copied as it is, as `cp -a` does: symbolic links as links, also FIFOs, sockets and devices, with
/// owner, permissions and times. Several names of one file stay names of one file, and holes stay holes.
/// Extended attributes and access control lists are not copied. Without the right to give files away, the copies belong
/// to this user, and have no set-user-ID and set-group-ID bits. If `to` is below `from`, it is left out.
///
/// No symbolic link below the two directories is followed, also if another process replaces a directory by one
/// meanwhile.
/// Errors: the first error of a system call, with the two paths that it is about. not_a_directory;
/// errc::target_exists; errc::same_file if a directory would be copied to itself. What was copied before the error
/// stays, but no part of a file.
/// Cancel safety: safe to drop. The step that has begun finishes; a file of which only a part was copied is removed.
/// Cost: one job for each 512 entries, and for each 32 MiB of a file. At most 140 open descriptors, at any depth.
EDDY_API task<result<std::uint64_t>> copy_tree(std::filesystem::path from, std::filesystem::path to,
                                               copy_options options = {});
/// Copies what is in the open directory `from` into the open directory `to`, which keeps its owner, permissions and
/// times.
EDDY_API task<result<std::uint64_t>> copy_tree(dir from, dir to, copy_options options = {});

}  // namespace eddy::fs
