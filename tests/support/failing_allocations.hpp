// SPDX-License-Identifier: MIT
#pragma once

/// For executables that are linked with failing_allocations.cpp, which replaces operator new.
namespace support {

inline constexpr long no_limit = -1;
inline constexpr long one_has_failed = -2;  ///< and there is no limit any more

/// How many allocations of this thread succeed before one throws bad_alloc.
extern constinit thread_local long allocations_left;
/// Whether all that come after that one throw, too. Then `allocations_left` stays 0.
extern constinit thread_local bool memory_stays_short;

}  // namespace support
