// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/file.hpp>
#include <eddy/fs/operation.hpp>

namespace eddy::fs {

namespace detail {
class temp_name;
}  // namespace detail

/// A file with a name, which the destructor removes, for a program that needs a path:
///
///     auto temp = co_await try_(fs::named_temp_file::create());
///     co_await try_(io::write_all(temp.opened(), text));
///     co_await try_(sort_file(temp.path()));
///     co_await try_(temp.persist("sorted.txt"));   // without this line, the file is gone
///
/// Only this user may access the file. It is left if the program is killed, or ends without destructors: temp_file()
/// needs no name, and leaves nothing.
///
/// Thread safety: not synchronized.
/// Lifetime: an operation keeps the name; the file is removed when its job has ended, unless it has got another name.
class EDDY_API named_temp_file {
public:
    /// For the library: owns a file and its name.
    named_temp_file(file opened, std::shared_ptr<detail::temp_name> name) noexcept
        : name_(std::move(name)), opened_(std::move(opened)) {}
    named_temp_file(named_temp_file&& other) noexcept = default;
    named_temp_file& operator=(named_temp_file&& other) noexcept;
    /// Closes the file, and removes its name on this thread, by unlink(2). Ignores errors; see remove().
    ~named_temp_file() = default;

    /// Creates a file in a directory, for reading and writing. Its name is `prefix`, 16 letters or digits, `suffix`. An
    /// empty path is the directory for temporary files: $TMPDIR, or /tmp.
    /// Errors: eddy::errc::bad_path for a prefix or suffix with a NUL; what open(2) reports.
    [[nodiscard]] static operation<named_temp_file> create(std::filesystem::path dir = {}, std::string prefix = "eddy.",
                                                           std::string suffix = {});

    /// The open file.
    [[nodiscard]] file& opened() noexcept { return opened_; }
    /// Returns the absolute path that the file was created with.
    [[nodiscard]] const std::filesystem::path& path() const noexcept;

    /// Gives the file the name `to`, in the same file system, which replaces a file of that name, or fails if there is
    /// one. The destructor does not remove it then. After an error, it is still a temporary file. The contents need not
    /// be on the disk yet: see file::sync_all().
    /// Errors: what rename(2) reports; file_exists, and what link(2) reports.
    [[nodiscard]] operation<void> persist(std::filesystem::path to) const;
    [[nodiscard]] operation<void> persist_new(std::filesystem::path to) const;
    /// Leaves the file under its name, and returns it.
    [[nodiscard]] file keep() &&;
    /// Removes the name, and reports the error. The file stays open as long as this object exists.
    /// Errors: no_such_file_or_directory if another program has removed or renamed it.
    [[nodiscard]] operation<void> remove() const;

private:
    std::shared_ptr<detail::temp_name> name_;  // destroyed after the file is closed
    file opened_;
};

}  // namespace eddy::fs
