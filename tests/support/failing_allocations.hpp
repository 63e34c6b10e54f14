// SPDX-License-Identifier: MIT
#pragma once

/// Makes allocations fail in executables that link failing_allocations.cpp, which replaces operator new.
namespace support {

inline constexpr long no_limit = -1;
inline constexpr long one_has_failed = -2;  ///< the allocation has failed, and there is no limit now

/// The number of allocations of this thread that succeed before one throws std::bad_alloc.
extern constinit thread_local long allocations_left;
/// Whether all allocations after the first failing one throw, too. Then `allocations_left` stays 0.
extern constinit thread_local bool memory_stays_short;

}  // namespace support
