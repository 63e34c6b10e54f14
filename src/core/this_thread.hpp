// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#endif

namespace eddy::detail {

alignas(2) inline constinit thread_local char thread_mark = 0;

/// An address that differs for each live thread: cheaper to compare than a std::thread::id. Even: io_handle uses the
/// lowest bit.
#ifdef EDDY_EXPLORE
inline constinit bool explored_threads_differ = false;  // else those of a model are one, and may run a loop in turns
[[nodiscard]] inline const void* this_thread_mark() noexcept {
    return explored_threads_differ ? explore::thread_mark() : &thread_mark;
}
#else
[[nodiscard]] inline const void* this_thread_mark() noexcept { return &thread_mark; }
#endif

}  // namespace eddy::detail
