// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Calls on one entry of an open directory. `name` has no slash, so these calls do not leave the directory, and none of
/// them follows a symbolic link. They block.
namespace eddy::sys {

/// Opens a subdirectory for reading.
/// Errors: not_a_directory for a symbolic link; what openat(2) reports.
[[nodiscard]] result<unique_fd> open_subdirectory(int dir, const std::string& name) noexcept;
/// Opens the directory that contains the open directory `dir` now.
[[nodiscard]] result<unique_fd> open_parent(int dir) noexcept;

/// Creates a directory. Only its owner may use it.
[[nodiscard]] result<void> make_directory(int dir, const std::string& name, unsigned mode) noexcept;

/// Removes a file, or an empty directory.
/// Errors: directory_not_empty; what unlinkat(2) reports.
[[nodiscard]] result<void> remove_entry(int dir, const std::string& name) noexcept;
/// Same as remove_entry(), for an entry that is probably a directory.
[[nodiscard]] result<void> remove_subdirectory(int dir, const std::string& name) noexcept;

/// Renames an entry. Replaces `to_name`, if it exists, as rename(2) does.
[[nodiscard]] result<void> rename_entry(int from, const std::string& from_name, int to,
                                        const std::string& to_name) noexcept;

/// Returns the text of a symbolic link.
/// Errors: invalid_argument if the entry is not one; what readlinkat(2) reports.
[[nodiscard]] result<std::string> link_target(int dir, const std::string& name);

/// Identifies a file while it is open or exists.
struct file_identity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    friend bool operator==(const file_identity&, const file_identity&) noexcept = default;
    friend auto operator<=>(const file_identity&, const file_identity&) noexcept = default;
};
[[nodiscard]] result<file_identity> identity_of(int fd) noexcept;

/// Returns a name that no other process guesses.
[[nodiscard]] std::string random_name();

}  // namespace eddy::sys
