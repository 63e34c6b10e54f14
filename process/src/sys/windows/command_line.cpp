// SPDX-License-Identifier: MIT
#include "sys/windows/command_line.hpp"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <system_error>

#include <eddy/process/error.hpp>

#include "sys/windows/utf16.hpp"

namespace eddy::sys {
namespace {

/// Appends an argument in quotation marks. A backslash is one by itself, except before a quotation mark: there, each
/// backslash and the mark have another one in front of them.
void append_quoted(std::wstring& line, std::wstring_view argument) {
    line += L'"';
    std::size_t backslashes = 0;
    for (const wchar_t each : argument) {
        if (each == L'"') line.append(backslashes + 1, L'\\');
        backslashes = each == L'\\' ? backslashes + 1 : 0;
        line += each;
    }
    line.append(backslashes, L'\\');
    line += L'"';
}

bool needs_quotes(std::wstring_view argument) noexcept {
    return argument.empty() || argument.find_first_of(L" \t\n\v\"") != std::wstring_view::npos;
}

/// Appends an argument of a batch file, which has no quotation mark. The batch file may pass it to a program (%*), for
/// which a backslash before the last mark would be a part of it.
void append_quoted_for_batch(std::wstring& line, std::wstring_view argument) {
    const std::size_t backslashes = argument.size() - (argument.find_last_not_of(L'\\') + 1);
    line.append(1, L'"').append(argument).append(backslashes, L'\\').append(1, L'"');
}

/// cmd.exe replaces variables between quotation marks, too, and reads one line.
bool is_unsafe_for_batch(std::wstring_view text) noexcept {
    return text.find_first_of(L"\"%\r\n") != std::wstring_view::npos;
}

std::unexpected<std::error_code> unsafe() noexcept {
    return std::unexpected(make_error_code(process::errc::unsafe_argument));
}

}  // namespace

result<std::wstring> command_line_of(const std::vector<std::string>& arguments) {
    const auto program = exactly_wide_of(arguments.front());
    if (!program) return std::unexpected(program.error());
    if (program->contains(L'"')) return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    std::wstring line = L'"' + *program + L'"';
    for (const auto& each : std::span(arguments).subspan(1)) {
        const auto argument = exactly_wide_of(each);
        if (!argument) return std::unexpected(argument.error());
        line += L' ';
        if (needs_quotes(*argument)) {
            append_quoted(line, *argument);
        } else {
            line += *argument;
        }
    }
    return line;
}

bool is_batch_file(const std::filesystem::path& file) {
    std::wstring name = file.filename().native();
    name.erase(name.find_last_not_of(L". ") + 1);
    std::ranges::transform(name, name.begin(), [](wchar_t c) {
        return c >= L'A' && c <= L'Z' ? static_cast<wchar_t>(c + (L'a' - L'A')) : c;
    });
    return name.ends_with(L".bat") || name.ends_with(L".cmd");
}

result<std::wstring> batch_command_line_of(const std::filesystem::path& file,
                                           const std::vector<std::string>& arguments) {
    if (is_unsafe_for_batch(file.native())) return unsafe();
    // e: the extensions of cmd.exe. v: `!` is no variable. d: no commands of the registry. s: only the first and the
    // last quotation mark are removed.
    std::wstring line = L"cmd.exe /e:ON /v:OFF /d /s /c \"\"" + file.native() + L'"';
    for (const auto& each : std::span(arguments).subspan(1)) {
        const auto argument = exactly_wide_of(each);
        if (!argument) return std::unexpected(argument.error());
        if (is_unsafe_for_batch(*argument)) return unsafe();
        line += L' ';
        append_quoted_for_batch(line, *argument);
    }
    return line + L'"';
}

}  // namespace eddy::sys
