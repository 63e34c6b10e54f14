// SPDX-License-Identifier: MIT
#include "sys/storage_calls.hpp"

#include <filesystem>
#include <system_error>

#include "sys/path_text.hpp"
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

result<fs::file_system_info> file_system_of(const std::string& path) {
    // The path of a file is none of a directory, which these functions need.
    std::error_code error;
    const auto absolute = std::filesystem::canonical(path_from(path), error);
    if (error) return std::unexpected(error);
    const auto root = absolute.root_path().native();
    ULARGE_INTEGER available{};
    ULARGE_INTEGER total{};
    ULARGE_INTEGER free{};
    DWORD sectors = 0;
    DWORD sector_size = 0;
    DWORD longest = 0;
    DWORD flags = 0;
    DWORD unused = 0;
    if (::GetDiskFreeSpaceExW(root.c_str(), &available, &total, &free) == 0 ||
        ::GetDiskFreeSpaceW(root.c_str(), &sectors, &sector_size, &unused, &unused) == 0 ||
        ::GetVolumeInformationW(root.c_str(), nullptr, 0, nullptr, &longest, &flags, nullptr, 0) == 0)
        return std::unexpected(last_windows_error());
    fs::file_system_info to;
    to.total = total.QuadPart;
    to.free = free.QuadPart;
    to.available = available.QuadPart;
    to.block_size = std::uint64_t{sectors} * sector_size;
    to.longest_name = longest;
    to.is_read_only = (flags & FILE_READ_ONLY_VOLUME) != 0;
    return to;
}

}  // namespace eddy::sys
