// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <eddy/fs/metadata.hpp>
#include <eddy/result.hpp>

/// What a copy of a tree needs beside the calls for all files. No function follows a symbolic link. They block.
namespace eddy::sys {

/// Copies a symbolic link, with its owner and times.
[[nodiscard]] result<void> copy_symlink(int from, const std::string& name, int to, const std::string& to_name);
/// Copies a FIFO, a socket or a device, with its owner, permissions and times. It does not copy contents.
[[nodiscard]] result<void> copy_special(int from, const std::string& name, int to, const std::string& to_name);
/// Gives the file `name` a second name.
[[nodiscard]] result<void> link_entry(int from, const std::string& name, int to, const std::string& to_name) noexcept;

// ---- The owner and the permissions of a copy ----

/// Returns whether two files have the same owner and group.
[[nodiscard]] constexpr bool has_owner_of(const fs::file_metadata& copy, const fs::file_metadata& of) noexcept {
    return copy.user == of.user && copy.group == of.group;
}
/// Returns the permissions of a copy of a file, as cp(1) gives them to it. Without the owner of the file, it has no
/// bits set-user-ID and set-group-ID: a program would run with the rights of a wrong owner. Then the sticky bit is kept
/// for directories only, where it protects their entries.
[[nodiscard]] constexpr std::filesystem::perms permissions_of_copy(std::filesystem::file_type type,
                                                                   std::filesystem::perms of, bool has_owner) noexcept {
    using std::filesystem::perms;
    if (has_owner) return of;
    return of & (type == std::filesystem::file_type::directory ? perms::all | perms::sticky_bit : perms::all);
}
/// Gives an open file the owner of another one. Returns whether it has it then: false if this process may not give
/// files away, or if its user namespace has no such owner. The bits set-user-ID and set-group-ID may be gone then.
[[nodiscard]] result<bool> apply_owner(int fd, const fs::file_metadata& of) noexcept;
/// Gives an open file the owner, the permissions and the times of another one. If this process may not give it that
/// owner, it keeps its own.
[[nodiscard]] result<void> apply_metadata(int fd, const fs::file_metadata& of) noexcept;

// ---- Contents ----

/// A part of a file without a hole.
struct data_range {
    std::uint64_t begin;
    std::uint64_t end;
};
/// Returns the next such part of a file, at `offset` or after it. If only a hole is left, it begins at the end of the
/// file, and at `offset` if the file ends before. A system that does not know holes says that there are none.
[[nodiscard]] result<data_range> next_data(int fd, std::uint64_t offset) noexcept;

}  // namespace eddy::sys
