// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <eddy/result.hpp>

/// Command lines. A process of Windows gets one text, which its program splits.
namespace eddy::sys {

/// Returns the command line that CommandLineToArgvW() and the C library split into these arguments.
/// Errors: invalid_argument if argument 0 has a quotation mark, which no rule escapes there; illegal_byte_sequence if
/// an argument is not UTF-8.
[[nodiscard]] result<std::wstring> command_line_of(const std::vector<std::string>& arguments);

/// Returns whether CreateProcessW() would pass a file to cmd.exe. Windows ignores dots and spaces at the end of a name.
[[nodiscard]] bool is_batch_file(const std::filesystem::path& file);

/// Returns the command line with which cmd.exe runs a batch file, with these arguments after argument 0.
///
/// cmd.exe splits the line by other rules than programs do: text after a quotation mark could be another command
/// (CVE-2024-24576). So all arguments are in quotation marks, and what has a meaning between them is refused.
/// Backslashes at the end of an argument are doubled: a program that gets the arguments from the batch file splits them
/// as they were.
/// Errors: process::errc::unsafe_argument; illegal_byte_sequence.
[[nodiscard]] result<std::wstring> batch_command_line_of(const std::filesystem::path& file,
                                                         const std::vector<std::string>& arguments);

}  // namespace eddy::sys
