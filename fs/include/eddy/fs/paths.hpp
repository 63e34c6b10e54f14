// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/file.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/io/buffer.hpp>

// Operations on paths. Each is one job on a thread for blocking work, so a program that reads 10,000 small files needs
// one switch of threads for each. A file of eddy::fs is a regular file: the functions that open one refuse FIFOs,
// sockets and devices.

namespace eddy::fs {

/// No limit for the size of a file.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// Reads a whole file.
/// Errors: errc::file_too_large if it has more than `most` bytes, of which none are returned; the errors of
/// open_options::open(); what read(2) reports.
[[nodiscard]] EDDY_API operation<std::vector<std::byte>> read(std::filesystem::path path, std::size_t most = no_limit);
/// Same as above, as text.
/// Errors: same as read(); eddy::errc::invalid_utf8.
[[nodiscard]] EDDY_API operation<std::string> read_to_string(std::filesystem::path path, std::size_t most = no_limit);

/// Replaces the contents of a file, which is created if it does not exist. A reader may see a part of them, and an
/// error leaves a part; see write_atomically().
/// Lifetime: the bytes are copied at the call.
/// Errors: same as open_options::open(); what write(2) and close(2) report.
[[nodiscard]] EDDY_API operation<void> write(std::filesystem::path path, io::const_buffer bytes);
/// Appends to a file, which is created if it does not exist. Several tasks may append to one file at the same time: on
/// a local file system, the bytes of a call stay together, unless the disk is full. Errors, lifetime: same as write().
[[nodiscard]] EDDY_API operation<void> append(std::filesystem::path path, io::const_buffer bytes);
/// Replaces the contents of a file, such that readers, and also a crash of the program or of the system, see either the
/// old or the new contents. After it, the new contents are on the disk. The bytes go to a temporary file beside the
/// file, which then takes its name. The new file has the permissions and the owner of the old one, but not its access
/// control list and extended attributes; other hard links keep the old contents. If the path is a symbolic link, its
/// target is replaced, or created. After an error, for example on a full disk, the old file is there, unless the last
/// step has failed: to get the new name onto the disk. A temporary file is left only if the program is killed:
/// `.write.` and 16 letters or digits.
/// Errors: same as write(); operation_not_permitted if the new file cannot have the owner of the old one; what
/// fsync(2), fchown(2) and rename(2) report.
/// Lifetime: the bytes are copied at the call.
/// Cost: waits for the disk two times. In a directory that this process may change and not read, waits until the whole
/// file system is on the disk (syncfs(2), Linux).
[[nodiscard]] EDDY_API operation<void> write_atomically(std::filesystem::path path, io::const_buffer bytes);

/// Copies the contents and the permissions of a file, and returns its size. A file `to` is replaced, and keeps its
/// owner. If that, or the group, is not the same as of `from`, the copy has no bits set-user-ID and set-group-ID, and
/// no sticky bit. Holes stay holes. Each byte was in `from` at some time, also if another process changes its size
/// meanwhile. The kernel copies, where it can (copy_file_range(2)); a file system that shares blocks does not even
/// copy.
/// Errors: errc::same_file; the errors of open_options::open(); what the reads and writes report. A part may have been
/// copied then.
[[nodiscard]] EDDY_API operation<std::uint64_t> copy(std::filesystem::path from, std::filesystem::path to);

/// Renames a file or directory. An existing file, or empty directory, `to` is replaced.
[[nodiscard]] EDDY_API operation<void> rename(std::filesystem::path from, std::filesystem::path to);
/// Removes a file, a symbolic link, or an empty directory.
/// Errors: no_such_file_or_directory; directory_not_empty.
[[nodiscard]] EDDY_API operation<void> remove(std::filesystem::path path);

/// Creates a directory.
/// Errors: file_exists; no_such_file_or_directory if its parent does not exist.
[[nodiscard]] EDDY_API operation<void> create_dir(std::filesystem::path path,
                                                  std::filesystem::perms mode = std::filesystem::perms::all);
/// Creates a directory and its parents. Does nothing if it exists.
/// Errors: not_a_directory, or file_exists, if a part of the path is something else.
[[nodiscard]] EDDY_API operation<void> create_dirs(std::filesystem::path path);

/// Returns the absolute path without symbolic links, `.` and `..`.
[[nodiscard]] EDDY_API operation<std::filesystem::path> canonical(std::filesystem::path path);
/// Returns the target of a symbolic link.
[[nodiscard]] EDDY_API operation<std::filesystem::path> read_link(std::filesystem::path path);
/// Makes `link` another name of the file `target`.
[[nodiscard]] EDDY_API operation<void> hard_link(std::filesystem::path target, std::filesystem::path link);
/// Makes `link` a symbolic link to `target`, which need not exist.
[[nodiscard]] EDDY_API operation<void> symlink(std::filesystem::path target, std::filesystem::path link);

/// Returns whether the path leads to something that exists. A symbolic link without a target does not.
/// Errors: what stat(2) reports, for example permission_denied for a directory on the way: it is unknown then.
[[nodiscard]] EDDY_API operation<bool> exists(std::filesystem::path path);
/// Returns what the system knows about a file. The second function is about a symbolic link itself.
[[nodiscard]] EDDY_API operation<file_metadata> metadata(std::filesystem::path path);
[[nodiscard]] EDDY_API operation<file_metadata> symlink_metadata(std::filesystem::path path);
/// Changes the permissions of a file, or of the target of a symbolic link.
[[nodiscard]] EDDY_API operation<void> set_permissions(std::filesystem::path path, std::filesystem::perms permissions);
/// Changes the owner and the group of a file; nullopt leaves one as it is. The second function is about a symbolic link
/// itself. The system clears the bits set-user-ID and set-group-ID of a program.
/// Errors: operation_not_permitted without the rights for that: only root gives a file to another user, and an owner to
/// a group that it is not in. not_supported on Windows.
[[nodiscard]] EDDY_API operation<void> set_owner(std::filesystem::path path, std::optional<std::uint32_t> user,
                                                 std::optional<std::uint32_t> group);
[[nodiscard]] EDDY_API operation<void> set_symlink_owner(std::filesystem::path path, std::optional<std::uint32_t> user,
                                                         std::optional<std::uint32_t> group);
/// Changes the times of a file or directory; nullopt leaves one as it is.
[[nodiscard]] EDDY_API operation<void> set_times(std::filesystem::path path, std::optional<file_time> accessed,
                                                 std::optional<file_time> modified);
/// Changes the size of a file, which must exist. New bytes are 0, and take no space.
/// Errors: file_too_large if `size` is above 2^63 - 1; what truncate(2) reports.
[[nodiscard]] EDDY_API operation<void> truncate(std::filesystem::path path, std::uint64_t size);
/// Returns the space of the file system that has a file.
[[nodiscard]] EDDY_API operation<file_system_info> file_system(std::filesystem::path path);

/// Returns the extended attribute `name` of a file, or of the target of a symbolic link. On Linux, names begin with a
/// namespace; a user's own are "user.NAME", of regular files and directories only.
/// Errors of all four functions: errc::no_attribute; not_supported if the file system, or the system, has none: they
/// are implemented for Linux; no_space_on_device or argument_list_too_long if a value has no room; what getxattr(2) and
/// the others report.
[[nodiscard]] EDDY_API operation<std::vector<std::byte>> xattr(std::filesystem::path path, std::string name);
/// Returns the names of the extended attributes of a file, without those that this process may not see.
[[nodiscard]] EDDY_API operation<std::vector<std::string>> xattrs(std::filesystem::path path);
/// Sets an extended attribute, which is created or replaced.
/// Lifetime: the value is copied at the call.
[[nodiscard]] EDDY_API operation<void> set_xattr(std::filesystem::path path, std::string name, io::const_buffer value);
/// Removes an extended attribute.
[[nodiscard]] EDDY_API operation<void> remove_xattr(std::filesystem::path path, std::string name);

/// Creates a file without a name, for reading and writing, in a directory. It vanishes when it is closed. An empty path
/// is the directory for temporary files: $TMPDIR, or /tmp.
/// Errors: what open(2) reports.
[[nodiscard]] EDDY_API operation<file> temp_file(std::filesystem::path dir = {});
/// Creates a directory with a random name, which only this user may access, in a directory, and returns its path. It is
/// not removed. An empty path is the directory for temporary files.
[[nodiscard]] EDDY_API operation<std::filesystem::path> temp_dir(std::filesystem::path dir = {});

}  // namespace eddy::fs
