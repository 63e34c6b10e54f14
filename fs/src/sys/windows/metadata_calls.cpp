// SPDX-License-Identifier: MIT
#include "sys/metadata_calls.hpp"

#include <chrono>
#include <limits>
#include <system_error>

#include <eddy/fs/error.hpp>

#include "sys/dir_entry_calls.hpp"
#include "sys/windows/nt_file.hpp"
#include "sys/windows/open_parts.hpp"

namespace eddy::sys {
namespace {

using std::filesystem::file_type;
using std::filesystem::perms;

// Windows counts units of 100 ns since 1601.
constexpr std::int64_t units_before_1970 = 116'444'736'000'000'000;

fs::file_time time_of(const LARGE_INTEGER& from) noexcept {
    const auto units = from.QuadPart - units_before_1970;
    constexpr auto most = fs::file_time::max().time_since_epoch().count() / 100;
    if (units > most) return fs::file_time::max();
    if (units < -most) return fs::file_time::min();
    return fs::file_time(std::chrono::nanoseconds(units * 100));
}

LARGE_INTEGER units_of(const std::optional<fs::file_time>& from) noexcept {
    LARGE_INTEGER units{};  // 0: no change
    if (from) units.QuadPart = from->time_since_epoch().count() / 100 + units_before_1970;
    return units;
}

open_request for_metadata() noexcept { return open_request(FILE_READ_ATTRIBUTES); }

result<void> set_basic_info(int fd, FILE_BASIC_INFO& to) noexcept {
    if (::SetFileInformationByHandle(handle_of(fd), FileBasicInfo, &to, sizeof to) == 0)
        return std::unexpected(last_windows_error());
    return {};
}

}  // namespace

result<fs::file_metadata> metadata_of(int fd) {
    const HANDLE file = handle_of(fd);
    fs::file_metadata to;
    switch (::GetFileType(file)) {
    case FILE_TYPE_CHAR: to.type = file_type::character; return to;
    case FILE_TYPE_PIPE: to.type = file_type::fifo; return to;
    default: break;
    }
    BY_HANDLE_FILE_INFORMATION about{};
    FILE_BASIC_INFO times{};
    FILE_STANDARD_INFO space{};
    if (::GetFileInformationByHandle(file, &about) == 0 ||
        ::GetFileInformationByHandleEx(file, FileBasicInfo, &times, sizeof times) == 0 ||
        ::GetFileInformationByHandleEx(file, FileStandardInfo, &space, sizeof space) == 0)
        return std::unexpected(last_windows_error());
    const bool is_directory = (about.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    to.type = is_link(fd) ? file_type::symlink : is_directory ? file_type::directory : file_type::regular;
    const bool is_read_only = (about.dwFileAttributes & FILE_ATTRIBUTE_READONLY) != 0;
    constexpr auto writes = perms::owner_write | perms::group_write | perms::others_write;
    to.permissions = is_read_only ? perms::all & ~writes : perms::all;
    to.size = (std::uint64_t{about.nFileSizeHigh} << 32U) | about.nFileSizeLow;
    to.allocated = static_cast<std::uint64_t>(space.AllocationSize.QuadPart);
    to.links = about.nNumberOfLinks;
    to.inode = (std::uint64_t{about.nFileIndexHigh} << 32U) | about.nFileIndexLow;
    to.device = about.dwVolumeSerialNumber;
    to.accessed = time_of(times.LastAccessTime);
    to.modified = time_of(times.LastWriteTime);
    to.changed = time_of(times.ChangeTime);
    to.created = time_of(times.CreationTime);
    return to;
}

result<fs::file_metadata> metadata_at(int dir, const char* path, bool follow_link) {
    const auto opened = open_in(dir, path, for_metadata(), follow_link);
    if (!opened) return std::unexpected(opened.error());
    return metadata_of(opened->get());
}

result<fs::file_metadata> metadata_beneath(int dir, const std::string& path, bool follow_link) {
    const auto opened = open_parts(dir, path, for_metadata(), follow_link ? links::refused : links::followed);
    if (!opened) return std::unexpected(opened.error());
    return metadata_of(opened->get());
}

result<void> check_type(int, file_type type) {
    switch (type) {
    case file_type::fifo: return std::unexpected(make_error_code(fs::errc::fifo));
    case file_type::character: return std::unexpected(make_error_code(fs::errc::device));
    case file_type::directory: return std::unexpected(make_error_code(fs::errc::directory));
    default: return {};
    }
}

result<void> set_permissions(int fd, perms permissions) noexcept {
    FILE_BASIC_INFO now{};
    if (::GetFileInformationByHandleEx(handle_of(fd), FileBasicInfo, &now, sizeof now) == 0)
        return std::unexpected(last_windows_error());
    // A directory has no such bit: Explorer uses it for something else.
    if ((now.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0) return {};
    const bool is_writable = (permissions & perms::owner_write) != perms::none;
    DWORD wanted = now.FileAttributes & ~static_cast<DWORD>(FILE_ATTRIBUTE_READONLY);
    if (!is_writable) wanted |= FILE_ATTRIBUTE_READONLY;
    if (wanted == now.FileAttributes) return {};
    FILE_BASIC_INFO to{};
    to.FileAttributes = wanted == 0 ? FILE_ATTRIBUTE_NORMAL : wanted;
    return set_basic_info(fd, to);
}

result<void> set_owner(int, std::uint32_t, std::uint32_t) noexcept {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

result<void> set_times(int fd, std::optional<fs::file_time> accessed, std::optional<fs::file_time> modified) noexcept {
    FILE_BASIC_INFO to{};
    to.LastAccessTime = units_of(accessed);
    to.LastWriteTime = units_of(modified);
    return set_basic_info(fd, to);
}

result<void> set_owner_at(const std::string&, std::uint32_t, std::uint32_t, bool) noexcept {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

result<void> set_times_at(const std::string& path, std::optional<fs::file_time> accessed,
                          std::optional<fs::file_time> modified) noexcept {
    const auto opened = open_in(current_directory, path, open_request(FILE_WRITE_ATTRIBUTES), true);
    if (!opened) return std::unexpected(opened.error());
    return set_times(opened->get(), accessed, modified);
}

}  // namespace eddy::sys
