// SPDX-License-Identifier: MIT
#include "sys/windows/utf16.hpp"

#include <cstddef>
#include <filesystem>
#include <system_error>

#include "sys/path_text.hpp"
#include "sys/socket_api.hpp"

namespace eddy::sys {
namespace {

/// Returns nothing if the flags refuse the text.
std::wstring converted(std::string_view text, DWORD flags) {
    const auto size = static_cast<int>(text.size());
    const int count = ::MultiByteToWideChar(CP_UTF8, flags, text.data(), size, nullptr, 0);
    std::wstring wide(static_cast<std::size_t>(count), L' ');
    ::MultiByteToWideChar(CP_UTF8, flags, text.data(), size, wide.data(), count);
    return wide;
}

}  // namespace

std::wstring wide_of(std::string_view text) { return converted(text, 0); }

result<std::wstring> exactly_wide_of(std::string_view text) {
    auto wide = converted(text, MB_ERR_INVALID_CHARS);
    if (wide.empty() && !text.empty()) return std::unexpected(std::make_error_code(std::errc::illegal_byte_sequence));
    return wide;
}

std::string narrow_of(std::wstring_view text) {
    const auto size = static_cast<int>(text.size());
    const int count = ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, nullptr, 0, nullptr, nullptr);
    std::string narrow(static_cast<std::size_t>(count), ' ');
    ::WideCharToMultiByte(CP_UTF8, 0, text.data(), size, narrow.data(), count, nullptr, nullptr);
    return narrow;
}

std::string text_of(const std::filesystem::path& path) { return narrow_of(path.native()); }

std::filesystem::path path_from(const std::string& text) { return wide_of(text); }

}  // namespace eddy::sys
