// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <eddy/fs/metadata.hpp>
#include <eddy/result.hpp>

/// What is known about files. All functions may block. EINTR is retried. Errors come from the system call.
namespace eddy::sys {

/// Returns what is known about an open file, or about a path.
[[nodiscard]] result<fs::file_metadata> metadata_of(int fd);
[[nodiscard]] result<fs::file_metadata> metadata_at(int dir, const char* path, bool follow_link);
/// Same as above, below the directory only.
[[nodiscard]] result<fs::file_metadata> metadata_beneath(int dir, const std::string& path, bool follow_link);

/// Refuses what is not a regular file.
/// Errors: fs::errc::directory, fifo, socket, terminal, device.
[[nodiscard]] result<void> check_type(int fd, std::filesystem::file_type type);

[[nodiscard]] constexpr mode_t mode_of(std::filesystem::perms permissions) noexcept {
    return static_cast<mode_t>(permissions) & 07777;
}
[[nodiscard]] result<void> set_permissions(int fd, std::filesystem::perms permissions) noexcept;
[[nodiscard]] result<void> set_owner(int fd, std::uint32_t user, std::uint32_t group) noexcept;
[[nodiscard]] result<void> set_times(int fd, std::optional<fs::file_time> accessed,
                                     std::optional<fs::file_time> modified) noexcept;
/// Stands for a user or a group that does not change.
inline constexpr std::uint32_t same_owner = ~std::uint32_t{0};
/// Same as above, of a path.
[[nodiscard]] result<void> set_owner_at(const std::string& path, std::uint32_t user, std::uint32_t group,
                                        bool follow_link) noexcept;
[[nodiscard]] result<void> set_times_at(const std::string& path, std::optional<fs::file_time> accessed,
                                        std::optional<fs::file_time> modified) noexcept;

}  // namespace eddy::sys
