// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_EXPLORE
#include "explore/types.hpp"
#else
#include <thread>
#endif

namespace eddy::detail {

/// Lets other threads run, in a spin loop. A test build replaces it, as it does atomic.hpp.
inline void yield_thread() noexcept {
#ifdef EDDY_EXPLORE
    explore::yield();
#else
    std::this_thread::yield();
#endif
}

}  // namespace eddy::detail
