// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// Returns whether `text` is well-formed UTF-8: no overlong encodings, no surrogates, no code points above U+10FFFF.
[[nodiscard]] EDDY_API bool is_utf8(std::string_view text) noexcept;

}  // namespace eddy::detail
