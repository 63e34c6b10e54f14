// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

#include <eddy/detail/export.hpp>

namespace eddy::fs {

/// A time of a file, with nanoseconds since 1970.
using file_time = std::chrono::sys_time<std::chrono::nanoseconds>;

/// What the system knows about a file, apart from its names and its contents; see statx(2).
/// Thread safety: a plain value.
struct file_metadata {
    std::filesystem::file_type type = std::filesystem::file_type::none;  ///< regular, directory, symlink ...
    std::filesystem::perms permissions = std::filesystem::perms::none;   ///< without the type
    std::uint64_t size = 0;                                              ///< in bytes
    std::uint64_t allocated = 0;       ///< bytes on the disk; a sparse file has fewer than its size
    std::uint64_t links = 0;           ///< hard links
    std::uint64_t inode = 0;           ///< the number of the file on its device
    std::uint64_t device = 0;          ///< the number of the device that has the file
    std::uint32_t user = 0;            ///< the id of the owner
    std::uint32_t group = 0;           ///< the id of the group
    file_time accessed{};              ///< the last read, if the file system keeps it
    file_time modified{};              ///< the last change of the contents
    file_time changed{};               ///< the last change of the contents or of what is here
    std::optional<file_time> created;  ///< nullopt if the file system does not know it

    /// Constructs zeros.
    file_metadata() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Each returns whether the file is of a type.
    [[nodiscard]] bool is_regular() const noexcept { return type == std::filesystem::file_type::regular; }
    [[nodiscard]] bool is_directory() const noexcept { return type == std::filesystem::file_type::directory; }
    [[nodiscard]] bool is_symlink() const noexcept { return type == std::filesystem::file_type::symlink; }
};

/// The space of a file system, in bytes; see statvfs(3).
/// Thread safety: a plain value.
struct file_system_info {
    std::uint64_t total = 0;         ///< its size
    std::uint64_t free = 0;          ///< what is not in use
    std::uint64_t available = 0;     ///< what this user may use of it: less than `free` if root has a reserve
    std::uint64_t block_size = 0;    ///< the unit of allocation
    std::uint64_t files = 0;         ///< how many files it can have; 0 if it has no limit, and on Windows
    std::uint64_t free_files = 0;    ///< how many of them do not exist
    std::uint64_t longest_name = 0;  ///< bytes in a name of a file; 255 on Windows
    bool is_read_only = false;       ///< no file can be changed

    /// Constructs zeros.
    file_system_info() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

}  // namespace eddy::fs
