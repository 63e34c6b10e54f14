// SPDX-License-Identifier: MIT
#include "sys/storage_calls.hpp"

#include <system_error>

#include "sys/windows/nt_file.hpp"

namespace eddy::sys {
result<std::uint64_t> size_of(int fd) noexcept {
    LARGE_INTEGER size{};
    if (::GetFileSizeEx(handle_of(fd), &size) == 0) return std::unexpected(last_windows_error());
    return static_cast<std::uint64_t>(size.QuadPart);
}

result<void> truncate(int fd, std::uint64_t size) noexcept {
    if (size > last_position) return std::unexpected(std::make_error_code(std::errc::file_too_large));
    FILE_END_OF_FILE_INFO end{};
    end.EndOfFile.QuadPart = static_cast<std::int64_t>(size);
    if (::SetFileInformationByHandle(handle_of(fd), FileEndOfFileInfo, &end, sizeof end) == 0)
        return std::unexpected(last_windows_error());
    return {};
}

result<void> allocate(int, std::uint64_t, std::uint64_t) noexcept {
    return std::unexpected(std::make_error_code(std::errc::operation_not_supported));
}

result<void> advise(int, fs::access_pattern, std::uint64_t offset, std::uint64_t size) noexcept {
    if (offset > last_position || size > last_position)
        return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    return {};  // only a hint
}

result<void> sync_data(int fd) noexcept { return sync_all(fd); }

result<void> sync_all(int fd) noexcept {
    if (::FlushFileBuffers(handle_of(fd)) == 0) return std::unexpected(last_windows_error());
    return {};
}

result<void> sync_file_system(int fd) noexcept { return sync_all(fd); }

}  // namespace eddy::sys
