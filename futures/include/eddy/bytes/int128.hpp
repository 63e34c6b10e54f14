// SPDX-License-Identifier: MIT
#pragma once

namespace eddy {

#ifdef __SIZEOF_INT128__
/// Defined if the compiler has 128-bit integers, which it has on 64-bit systems.
#define EDDY_HAS_INT128 1
// NOLINTBEGIN(modernize-use-using): an alias-declaration cannot take __extension__, which silences -Wpedantic
/// 128-bit integers, signed and unsigned.
__extension__ typedef __int128 int128_t;
__extension__ typedef unsigned __int128 uint128_t;
// NOLINTEND(modernize-use-using)
#endif

}  // namespace eddy
