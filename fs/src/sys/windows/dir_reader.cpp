// SPDX-License-Identifier: MIT
#include "sys/dir_reader.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "sys/windows/nt_file.hpp"
#include "sys/windows/utf16.hpp"

namespace eddy::sys {
namespace {

using std::filesystem::file_type;

file_type type_of(const FILE_ID_BOTH_DIR_INFO& entry) noexcept {
    // The size of extended attributes is the tag, for an entry that has one.
    const bool is_link = (entry.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
                         (entry.EaSize == IO_REPARSE_TAG_SYMLINK || entry.EaSize == IO_REPARSE_TAG_MOUNT_POINT);
    if (is_link) return file_type::symlink;
    return (entry.FileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ? file_type::directory : file_type::regular;
}

}  // namespace

result<dir_reader> dir_reader::open(int dir) {
    auto again = open_entry(dir, "", as_directory());
    if (!again) return std::unexpected(again.error());
    return dir_reader(*std::move(again));
}

/// A call of the system returns up to some 150 entries, so there may be that many more than `end`.
result<bool> dir_reader::read_until(std::vector<named_entry>& into, std::size_t end) {
    while (into.size() < end) {
        alignas(FILE_ID_BOTH_DIR_INFO) std::array<char, 16 * 1024> buffer;
        if (::GetFileInformationByHandleEx(handle_of(stream_.get()), FileIdBothDirectoryInfo, buffer.data(),
                                           buffer.size()) == 0) {
            const DWORD why = ::GetLastError();
            if (why == ERROR_NO_MORE_FILES || why == ERROR_FILE_NOT_FOUND) return false;
            return std::unexpected(last_windows_error());
        }
        for (std::size_t at = 0;;) {
            FILE_ID_BOTH_DIR_INFO entry{};
            std::memcpy(&entry, buffer.data() + at, offsetof(FILE_ID_BOTH_DIR_INFO, FileName));
            std::wstring name(entry.FileNameLength / sizeof(wchar_t), L' ');
            std::memcpy(name.data(), buffer.data() + at + offsetof(FILE_ID_BOTH_DIR_INFO, FileName),
                        entry.FileNameLength);
            if (name != L"." && name != L"..") into.emplace_back(narrow_of(name), type_of(entry));
            if (entry.NextEntryOffset == 0) break;
            at += entry.NextEntryOffset;
        }
    }
    return true;
}

}  // namespace eddy::sys
