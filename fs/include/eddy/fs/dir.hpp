// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/file.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/fs/open_options.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/stream/async_generator.hpp>
#include <eddy/task/task.hpp>

namespace eddy::fs {

namespace detail {
struct open_dir;
struct dir_access;
}  // namespace detail

/// An entry of a directory: its name, and its type. The type of a symbolic link is `symlink`.
/// Thread safety: a plain value.
struct dir_entry {
    std::string name;                 ///< without a directory; UTF-8 on Windows
    std::filesystem::file_type type;  ///< when the directory was read

    /// Constructs an entry from its parts.
    dir_entry(std::string its_name, std::filesystem::file_type its_type) noexcept
        : name(std::move(its_name)), type(its_type) {}
};

/// An open directory. Its functions take paths that are relative to it, and never leave it: not by "..", not by a
/// symbolic link, and not while another process renames directories or replaces them by symbolic links.
///
///     auto uploads = co_await try_(fs::open_dir("/srv/uploads"));
///     auto file = co_await try_(uploads.create(name_from_the_network));
///
/// On Linux 5.6 and later (openat2), symbolic links and ".." are followed if they stay below the directory. On other
/// systems, or if a filter forbids openat2, no symbolic link is followed, and ".." is refused.
///
/// A copy refers to the same open directory. It stays the same directory if it is renamed. It can be used for as long
/// as a copy exists, also after it was removed.
///
/// Errors of all functions: errc::outside for a path that is absolute or leads out of the directory;
/// too_many_symbolic_link_levels or not_a_directory for a symbolic link that is not followed; eddy::errc::bad_path for
/// a path that is empty or contains a NUL; errc::no_name for an entry "." or ".." to create, rename or remove; the
/// errors of the system call.
/// Thread safety: any number of threads may use it, and its copies, at the same time.
/// Lifetime: an operation keeps the directory open.
/// Cost: each function is one job, with one or two system calls. A copy is a reference count.
class EDDY_API dir {
public:
    // Without a move, which would leave an empty object.
    dir(const dir&) noexcept = default;
    dir& operator=(const dir&) noexcept = default;
    ~dir() = default;

    /// Opens a file for reading, or with `options`. O_TMPFILE (open_options::temporary()) takes the path of a
    /// directory.
    /// Errors: same as open_options::open().
    [[nodiscard]] operation<file> open(std::filesystem::path path,
                                       open_options options = open_options().read(true)) const;
    /// Creates a file for writing, or makes the size of an existing one 0.
    /// Errors: same as open().
    [[nodiscard]] operation<file> create(std::filesystem::path path) const;
    /// Opens the directory `path`.
    [[nodiscard]] operation<dir> open_dir(std::filesystem::path path) const;

    /// Creates a directory. Its mode is 0777, without the bits of the umask.
    /// Errors: file_exists.
    [[nodiscard]] operation<void> create_dir(std::filesystem::path path) const;

    /// Returns a stream of the entries, without "." and "..", in the order of the file system. Each job reads up to 512
    /// entries. An error is the last item. An entry that is created or removed meanwhile may be returned or not.
    [[nodiscard]] async_generator<result<dir_entry>> entries() const;

    /// Renames a file or directory. Replaces a file, or an empty directory, with the name `to`. A symbolic link at the
    /// end of a path is renamed or replaced itself.
    [[nodiscard]] operation<void> rename(std::filesystem::path from, std::filesystem::path to) const;
    /// Same as above. `to` is relative to the directory `target`.
    /// Errors: cross_device_link also if the directories are on different file systems.
    [[nodiscard]] operation<void> rename(std::filesystem::path from, const dir& target, std::filesystem::path to) const;

    /// Removes a file, or an empty directory. A symbolic link is removed itself.
    /// Errors: no_such_file_or_directory; directory_not_empty.
    [[nodiscard]] operation<void> remove(std::filesystem::path path) const;

    /// Same as fs::remove_all(), with a path below this directory.
    task<result<std::uint64_t>> remove_all(std::filesystem::path path) const;

    /// Returns what the system knows about the directory itself, or about a file below it. The last function does not
    /// follow a symbolic link at the end of the path.
    [[nodiscard]] operation<file_metadata> metadata() const;
    [[nodiscard]] operation<file_metadata> metadata(std::filesystem::path path) const;
    [[nodiscard]] operation<file_metadata> symlink_metadata(std::filesystem::path path) const;

    /// Waits until the names in the directory are on the disk, those that were created, renamed or removed.
    [[nodiscard]] operation<void> sync_all() const;

    /// Returns the path by which the directory was opened. Errors name it, and nothing else uses it.
    [[nodiscard]] const std::filesystem::path& path() const noexcept;
    /// Returns the descriptor, which the directory keeps; on Windows, the number of the handle.
    [[nodiscard]] int native_handle() const noexcept;

private:
    friend detail::dir_access;
    explicit dir(std::shared_ptr<const detail::open_dir> opened) noexcept : opened_(std::move(opened)) {}

    std::shared_ptr<const detail::open_dir> opened_;
};

/// Opens a directory. Symbolic links in `path` are followed.
/// Errors: not_a_directory; what open(2) reports.
[[nodiscard]] EDDY_API operation<dir> open_dir(std::filesystem::path path);

}  // namespace eddy::fs
