// SPDX-License-Identifier: MIT
#include "sys/windows/nt_file.hpp"

#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include <eddy/error.hpp>

#include "sys/open_calls.hpp"
#include "sys/windows/utf16.hpp"
#include "sys/windows/winsock.hpp"

namespace eddy::sys {
namespace {

constexpr NTSTATUS status_file_is_a_directory = static_cast<NTSTATUS>(0xC00000BA);

UNICODE_STRING unicode_of(std::wstring& text) noexcept {
    UNICODE_STRING made{};
    made.Length = static_cast<USHORT>(text.size() * sizeof(wchar_t));
    made.MaximumLength = made.Length;
    made.Buffer = text.data();
    return made;
}

result<unique_fd> open_named(HANDLE root, UNICODE_STRING& name, const open_request& how) noexcept {
    OBJECT_ATTRIBUTES object{};
    object.Length = sizeof object;
    object.RootDirectory = root;
    object.ObjectName = &name;
    object.Attributes = OBJ_CASE_INSENSITIVE;
    constexpr ULONG shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    const auto open = [&](ACCESS_MASK rights) {
        HANDLE made = nullptr;
        IO_STATUS_BLOCK done{};
        const auto status =
            ::NtCreateFile(&made, rights | FILE_READ_ATTRIBUTES | SYNCHRONIZE, &object, &done, nullptr, how.attributes,
                           shared, how.disposition, how.options | FILE_SYNCHRONOUS_IO_NONALERT, nullptr, 0);
        return status >= 0 ? result<unique_fd>(own_handle(made)) : std::unexpected(nt_error(status));
    };
    if (how.wished == 0) return open(how.needed);
    auto opened = open(how.needed | how.wished);
    if (opened || opened.error() != std::errc::permission_denied) return opened;
    return open(how.needed);
}

bool is_too_long(const std::wstring& text) noexcept { return text.size() > 0x7FFF; }

std::unexpected<std::error_code> too_long() {
    return std::unexpected(std::make_error_code(std::errc::filename_too_long));
}

}  // namespace

std::error_code nt_error(NTSTATUS status) noexcept {
    if (status == status_file_is_a_directory) return std::make_error_code(std::errc::is_a_directory);
    return windows_error(::RtlNtStatusToDosError(status));
}

open_request as_directory() noexcept {
    open_request how(FILE_LIST_DIRECTORY | FILE_TRAVERSE);
    how.wished = FILE_ADD_FILE | FILE_ADD_SUBDIRECTORY | FILE_WRITE_ATTRIBUTES;
    how.options = FILE_DIRECTORY_FILE;
    return how;
}

result<unique_fd> open_entry(int dir, std::string_view name, open_request how) {
    auto wide = wide_of(name);
    if (is_too_long(wide)) return too_long();
    auto text = unicode_of(wide);
    how.options |= FILE_OPEN_REPARSE_POINT;
    return open_named(handle_of(dir), text, how);
}

result<unique_fd> open_path(std::string_view path, const open_request& how) {
    const auto wide = wide_of(path);
    if (is_too_long(wide)) return too_long();
    UNICODE_STRING name{};
    if (::RtlDosPathNameToNtPathName_U(wide.c_str(), &name, nullptr, nullptr) == 0)
        return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
    auto opened = open_named(nullptr, name, how);
    ::RtlFreeUnicodeString(&name);
    return opened;
}

result<unique_fd> open_in(int dir, std::string_view name, open_request how, bool is_followed) {
    if (dir != current_directory) return open_entry(dir, name, how);
    if (!is_followed) how.options |= FILE_OPEN_REPARSE_POINT;
    return open_path(name, how);
}

bool is_link(int fd) noexcept {
    FILE_ATTRIBUTE_TAG_INFO about{};
    if (::GetFileInformationByHandleEx(handle_of(fd), FileAttributeTagInfo, &about, sizeof about) == 0) return false;
    return (about.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 &&
           (about.ReparseTag == IO_REPARSE_TAG_SYMLINK || about.ReparseTag == IO_REPARSE_TAG_MOUNT_POINT);
}

result<void> set_information(int fd, int kind, void* from, std::size_t size) noexcept {
    IO_STATUS_BLOCK done{};
    const auto status = ::NtSetInformationFile(handle_of(fd), &done, from, static_cast<ULONG>(size),
                                               static_cast<FILE_INFORMATION_CLASS>(kind));
    if (status < 0) return std::unexpected(nt_error(status));
    return {};
}

result<void> set_name(int fd, int kind, unsigned long flags, int to, std::string_view name) {
    struct named {  // FILE_RENAME_INFORMATION and FILE_LINK_INFORMATION
        ULONG flags;
        HANDLE root;
        ULONG size;
        WCHAR name[1];
    };
    const auto wide = wide_of(name);
    if (is_too_long(wide)) return too_long();
    const auto bytes = wide.size() * sizeof(wchar_t);
    std::vector<std::byte> block(sizeof(named) + bytes);
    // SAFETY: operator new aligns the block for all types, and it is large enough for the object and the name.
    auto* const made = new (block.data()) named{flags, handle_of(to), static_cast<ULONG>(bytes), {}};
    std::memcpy(block.data() + offsetof(named, name), wide.data(), bytes);
    return set_information(fd, kind, made, block.size());
}

}  // namespace eddy::sys
