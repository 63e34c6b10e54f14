// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#else
#include <thread>
#endif

namespace eddy::detail {

/// In a loop that spins: lets other threads run. As with atomic.hpp, a test build puts another in its place.
inline void yield_thread() noexcept {
#ifdef EDDY_EXPLORE
    explore::yield();
#else
    std::this_thread::yield();
#endif
}

}  // namespace eddy::detail
