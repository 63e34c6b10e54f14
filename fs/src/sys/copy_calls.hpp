// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
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

/// Gives an open file the owner, the permissions and the times of another one. If this process may not give it that
/// owner, it keeps its own, without the bits set-user-ID and set-group-ID.
[[nodiscard]] result<void> apply_metadata(int fd, const fs::file_metadata& of) noexcept;

/// A part of a file without a hole.
struct data_range {
    std::uint64_t begin;
    std::uint64_t end;
};
/// Returns the next such part of a file of `size` bytes, at `offset` or after it. It begins at `size` if only a hole is
/// left. A system that does not know holes says that there are none.
[[nodiscard]] data_range next_data(int fd, std::uint64_t offset, std::uint64_t size) noexcept;

}  // namespace eddy::sys
