// SPDX-License-Identifier: MIT
#include "sys/dir_entry_calls.hpp"

#include <string>
#include <system_error>

#include "sys/beneath.hpp"
#include "sys/windows/nt_file.hpp"
#include "sys/windows/utf16.hpp"

namespace eddy::sys {
namespace {

// Of FILE_INFORMATION_CLASS, since Windows 10.
constexpr int rename_information_ex = 65;
constexpr int disposition_information_ex = 64;
constexpr ULONG replaces = 1, posix_semantics = 2;                        // of a rename
constexpr ULONG deletes = 1, deletes_name = 2, deletes_read_only = 0x10;  // of a removal

/// Returns whether the system or the file system lacks one of the classes above.
bool is_unknown(std::error_code why) noexcept {
    return why == std::errc::not_supported || why == std::errc::invalid_argument;
}

result<unique_fd> open_to_delete(int dir, const std::string& name) {
    return open_in(dir, name, open_request(DELETE), false);
}

}  // namespace

result<unique_fd> open_subdirectory(int dir, const std::string& name) noexcept {
    auto opened = open_in(dir, name, as_directory(), false);
    if (opened && is_link(opened->get())) return std::unexpected(std::make_error_code(std::errc::not_a_directory));
    return opened;
}

result<unique_fd> open_parent(int dir) noexcept {
    std::wstring path(0x8000, L' ');
    const auto size = ::GetFinalPathNameByHandleW(handle_of(dir), path.data(), static_cast<DWORD>(path.size()), 0);
    if (size == 0) return std::unexpected(last_windows_error());
    path.resize(size);
    path.resize(path.find_last_of(L'\\') + 1);
    return open_path(narrow_of(path), as_directory());
}

result<void> make_directory(int dir, const std::string& name, unsigned) noexcept {
    auto how = as_directory();
    how.wished = 0;
    how.disposition = FILE_CREATE;
    const auto made = open_in(dir, name, how, false);
    if (!made) return std::unexpected(made.error());
    return {};
}

result<void> remove_entry(int dir, const std::string& name) noexcept {
    const auto opened = open_to_delete(dir, name);
    if (!opened) return std::unexpected(opened.error());
    ULONG how = deletes | deletes_name | deletes_read_only;
    const auto done = set_information(opened->get(), disposition_information_ex, &how, sizeof how);
    if (done || !is_unknown(done.error())) return done;
    FILE_DISPOSITION_INFO old{};
    old.DeleteFile = 1;
    if (::SetFileInformationByHandle(handle_of(opened->get()), FileDispositionInfo, &old, sizeof old) == 0)
        return std::unexpected(last_windows_error());
    return {};
}

result<void> remove_subdirectory(int dir, const std::string& name) noexcept { return remove_entry(dir, name); }

result<void> rename_entry(int from, const std::string& from_name, int to, const std::string& to_name) noexcept {
    const auto opened = open_to_delete(from, from_name);
    if (!opened) return std::unexpected(opened.error());
    const auto done = set_name(opened->get(), rename_information_ex, replaces | posix_semantics, to, to_name);
    if (done || !is_unknown(done.error())) return done;
    return set_name(opened->get(), FileRenameInformation, replaces, to, to_name);
}

result<std::string> link_target(int, const std::string&) {
    return std::unexpected(std::make_error_code(std::errc::not_supported));
}

result<file_identity> identity_of(int fd) noexcept {
    BY_HANDLE_FILE_INFORMATION about{};
    if (::GetFileInformationByHandle(handle_of(fd), &about) == 0) return std::unexpected(last_windows_error());
    return file_identity{about.dwVolumeSerialNumber,
                         (std::uint64_t{about.nFileIndexHigh} << 32U) | about.nFileIndexLow};
}

}  // namespace eddy::sys
