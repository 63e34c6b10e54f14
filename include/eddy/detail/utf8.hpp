// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// Whether these bytes are well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
[[nodiscard]] EDDY_API bool is_utf8(std::string_view text) noexcept;

}  // namespace eddy::detail
