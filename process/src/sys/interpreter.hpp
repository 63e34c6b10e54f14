// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace eddy::sys {

/// Returns the program that the system executes in place of a file: the one in the first line of a script, or the
/// dynamic linker of an ELF program. Returns "" if there is none, or if the file cannot be read.
[[nodiscard]] std::string interpreter_of(const std::string& path);

}  // namespace eddy::sys
