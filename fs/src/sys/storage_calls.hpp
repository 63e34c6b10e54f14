// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <eddy/fs/file.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/result.hpp>

/// The size of open files, their space, and when they are on the disk. All functions may block. EINTR is retried.
/// Errors come from the system call.
namespace eddy::sys {

[[nodiscard]] result<std::uint64_t> size_of(int fd) noexcept;
[[nodiscard]] result<void> truncate(int fd, std::uint64_t size) noexcept;
[[nodiscard]] result<void> allocate(int fd, std::uint64_t offset, std::uint64_t size) noexcept;
[[nodiscard]] result<void> advise(int fd, fs::access_pattern pattern, std::uint64_t offset,
                                  std::uint64_t size) noexcept;
[[nodiscard]] result<void> sync_data(int fd) noexcept;
[[nodiscard]] result<void> sync_all(int fd) noexcept;
/// Waits until the whole file system of a file is on the disk. Systems without syncfs(2) begin that, and do not wait.
[[nodiscard]] result<void> sync_file_system(int fd) noexcept;
/// Returns what is known about the file system of a path.
[[nodiscard]] result<fs::file_system_info> file_system_of(const std::string& path);

}  // namespace eddy::sys
