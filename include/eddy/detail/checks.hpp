// SPDX-License-Identifier: MIT
#pragma once

// EDDY_CHECKS enables checks that need memory in coroutine frames. The CMake target eddy::eddy sets it to 1 in Debug
// builds. A program with EDDY_CHECKS may be linked with a library without it, and vice versa: no type that both share
// depends on it. What does depend on it has the value of has_checks as a template argument, so that the linker keeps
// both variants.
#ifndef EDDY_CHECKS
#define EDDY_CHECKS 0
#endif

namespace eddy::detail {

/// Whether this translation unit is compiled with EDDY_CHECKS.
inline constexpr bool has_checks = EDDY_CHECKS != 0;

}  // namespace eddy::detail
