// SPDX-License-Identifier: MIT
#pragma once

#include <string>

namespace support {

/// Returns the first line of `text`. The messages of programs that were compiled with EDDY_CHECKS have further lines,
/// which contain the locations of the error.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n') + 1); }

}  // namespace support
