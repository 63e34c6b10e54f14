// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <eddy/detail/export.hpp>

namespace eddy::http {

/// Returns whether two texts are equal, in a time that does not depend on their bytes. Compare passwords, tokens and
/// signatures with it: the time of an ordinary comparison tells an attacker how many bytes were right. The time depends
/// on the sizes.
[[nodiscard]] EDDY_API bool equal_secrets(std::string_view a, std::string_view b) noexcept;

}  // namespace eddy::http
