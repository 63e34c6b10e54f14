// SPDX-License-Identifier: MIT
#pragma once

namespace eddy {

// Numbers of 128 bits, where the compiler has them: on 64-bit systems. EDDY_HAS_INT128 says so.
#ifdef __SIZEOF_INT128__
#define EDDY_HAS_INT128 1
// NOLINTBEGIN(modernize-use-using): __extension__, which keeps -Wpedantic quiet, goes with no alias-declaration
__extension__ typedef __int128 int128_t;
__extension__ typedef unsigned __int128 uint128_t;
// NOLINTEND(modernize-use-using)
#endif

}  // namespace eddy
