// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include <eddy/result.hpp>

/// Texts of the Windows API. The texts of this library are UTF-8.
namespace eddy::sys {

/// Converts UTF-8. Bytes that are none become U+FFFD.
[[nodiscard]] std::wstring wide_of(std::string_view text);
/// Same as above, for a text that must not change.
/// Errors: illegal_byte_sequence.
[[nodiscard]] result<std::wstring> exactly_wide_of(std::string_view text);
[[nodiscard]] std::string narrow_of(std::wstring_view text);

}  // namespace eddy::sys
