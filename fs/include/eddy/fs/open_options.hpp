// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/operation.hpp>

namespace eddy::fs {

class file;

/// How a file is opened. All options are off by default.
///
///     auto log = co_await try_(fs::open_options().append(true).create(true).open("log.txt"));
/// Thread safety: a plain value.
class EDDY_API open_options {
public:
    /// Constructs options that are all off.
    open_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Opens for reading.
    open_options& read(bool on) noexcept { return set(read_, on); }
    /// Opens for writing. An existing file keeps its contents.
    open_options& write(bool on) noexcept { return set(write_, on); }
    /// Opens for writing at the end, wherever that is at the time of the write, also if other processes append.
    open_options& append(bool on) noexcept { return set(append_, on); }
    /// Makes the size of an existing file 0. Needs write(true).
    open_options& truncate(bool on) noexcept { return set(truncate_, on); }
    /// Creates the file if it does not exist. Needs write(true) or append(true).
    open_options& create(bool on) noexcept { return set(create_, on); }
    /// Creates the file, and fails with file_exists if the path exists, also as a symbolic link. Needs write(true) or
    /// append(true).
    open_options& create_new(bool on) noexcept { return set(create_new_, on); }
    /// Fails with too_many_symbolic_link_levels if the path is a symbolic link.
    open_options& no_follow(bool on) noexcept { return set(no_follow_, on); }
    /// Bypasses the page cache (O_DIRECT). Positions and sizes must be multiples of the block size of the device; the
    /// caller's buffers need no alignment, because they are copied.
    /// Errors of open(): invalid_argument if the file system cannot do that; not_supported if the system cannot.
    open_options& direct(bool on) noexcept { return set(direct_, on); }
    /// The path names a directory, in which a file without a name is created (O_TMPFILE). Needs write(true).
    /// Errors of open(): not_supported if the file system or the system cannot do that. See also temp_file().
    open_options& temporary(bool on) noexcept { return set(temporary_, on); }
    /// The permissions of a created file; the process's umask removes some. 0666 by default.
    open_options& mode(std::filesystem::perms permissions) noexcept { return set(mode_, permissions); }
    /// Flags of open(2) that are passed in addition, for example O_SYNC or O_NOATIME.
    open_options& custom_flags(int flags) noexcept { return set(custom_flags_, flags); }

    /// Opens the file.
    /// Errors: errc::directory, errc::fifo, errc::socket, errc::terminal or errc::device if it is not a regular file;
    /// errc::no_access, errc::needs_write or errc::append_truncate if options do not go together; eddy::errc::bad_path
    /// for a path that is empty or contains a NUL; what open(2) reports.
    [[nodiscard]] operation<file> open(std::filesystem::path path) const;

    /// For the library: the options.
    [[nodiscard]] bool reads() const noexcept { return read_; }
    [[nodiscard]] bool writes() const noexcept { return write_ || append_; }
    [[nodiscard]] bool appends() const noexcept { return append_; }
    [[nodiscard]] bool truncates() const noexcept { return truncate_; }
    [[nodiscard]] bool creates() const noexcept { return create_; }
    [[nodiscard]] bool creates_new() const noexcept { return create_new_; }
    [[nodiscard]] bool follows_no_link() const noexcept { return no_follow_; }
    [[nodiscard]] bool is_direct() const noexcept { return direct_; }
    [[nodiscard]] bool is_temporary() const noexcept { return temporary_; }
    [[nodiscard]] std::filesystem::perms permissions() const noexcept { return mode_; }
    [[nodiscard]] int flags() const noexcept { return custom_flags_; }

private:
    template <class T>
    open_options& set(T& option, T value) noexcept {
        option = value;
        return *this;
    }

    std::filesystem::perms mode_ = std::filesystem::perms(0666);
    int custom_flags_ = 0;
    bool read_ = false;
    bool write_ = false;
    bool append_ = false;
    bool truncate_ = false;
    bool create_ = false;
    bool create_new_ = false;
    bool no_follow_ = false;
    bool direct_ = false;
    bool temporary_ = false;
};

}  // namespace eddy::fs
