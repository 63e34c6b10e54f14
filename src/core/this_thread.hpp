// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#endif

namespace eddy::detail {

alignas(2) inline constinit thread_local char thread_mark = 0;

/// Returns an address that is unique among live threads. Cheaper to compare than a std::thread::id. The address is
/// even, because io_handle uses the lowest bit as a flag.
#ifdef EDDY_EXPLORE
// If false, the threads of a model count as one thread, so that each of them may run a loop.
inline constinit bool explored_threads_differ = false;
[[nodiscard]] inline const void* this_thread_mark() noexcept {
    return explored_threads_differ ? explore::thread_mark() : &thread_mark;
}
#else
[[nodiscard]] inline const void* this_thread_mark() noexcept { return &thread_mark; }
#endif

}  // namespace eddy::detail
