// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>

#include <eddy/result.hpp>

#include "sys/processes.hpp"

namespace eddy::sys {

/// Returns the absolute path of the program's file. A name without a slash, a backslash and a drive is searched for in
/// the directories of PATH, in the environment of the request, and nowhere else: CreateProcessW() would also look in
/// the directory of this program and in the current one. ".exe" is added to a name without an extension.
/// Errors: no_such_file_or_directory.
[[nodiscard]] result<std::filesystem::path> find_program(const start_request& what);

}  // namespace eddy::sys
