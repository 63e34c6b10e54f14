// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <system_error>

#include <eddy/result.hpp>

#include "sys/fd.hpp"
#include "sys/windows/handle.hpp"

#include <winternl.h>

/// Files by NtCreateFile(), which opens names below an open directory. Names are UTF-8.
namespace eddy::sys {

/// The last position that a file has.
inline constexpr std::uint64_t last_position = std::numeric_limits<std::int64_t>::max();

/// Converts the status of a function of NT.
[[nodiscard]] std::error_code nt_error(NTSTATUS status) noexcept;

/// How a file is opened.
struct open_request {
    ACCESS_MASK needed;      // rights
    ACCESS_MASK wished = 0;  // rights without which it is opened, too
    ULONG options = 0;       // FILE_DIRECTORY_FILE and others
    ULONG disposition = FILE_OPEN;
    ULONG attributes = FILE_ATTRIBUTE_NORMAL;  // of a new file

    explicit open_request(ACCESS_MASK rights) noexcept : needed(rights) {}
};

/// Returns how a directory is opened to be read and searched.
[[nodiscard]] open_request as_directory() noexcept;

/// Opens the entry `name` of the open directory `dir`; an empty name is the directory itself. No link is followed: it
/// is opened itself.
[[nodiscard]] result<unique_fd> open_entry(int dir, std::string_view name, open_request how);
/// Opens a path of the process. Links are followed, unless the options have FILE_OPEN_REPARSE_POINT.
[[nodiscard]] result<unique_fd> open_path(std::string_view path, const open_request& how);
/// Opens a name in a directory, or a path of the process if `dir` is current_directory. Follows a link if `is_followed`
/// and it is a path.
[[nodiscard]] result<unique_fd> open_in(int dir, std::string_view name, open_request how, bool is_followed);

/// Returns whether an open file is a symbolic link, or a junction.
[[nodiscard]] bool is_link(int fd) noexcept;

/// Calls NtSetInformationFile(). `kind` is a FILE_INFORMATION_CLASS.
[[nodiscard]] result<void> set_information(int fd, int kind, void* from, std::size_t size) noexcept;
/// Same as above, with a name in the directory `to`: a rename, or a further name.
[[nodiscard]] result<void> set_name(int fd, int kind, unsigned long flags, int to, std::string_view name);

}  // namespace eddy::sys
