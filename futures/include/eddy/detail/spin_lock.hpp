// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {

#ifdef EDDY_EXPLORE
using spin_lock = mutex;  // spinning would create unlimited interleavings that do not differ in result
#else

/// A lock for critical sections of a few instructions. Satisfies BasicLockable.
/// Cost: lock() is one atomic exchange, unlock() one store.
class spin_lock {
public:
    void lock() noexcept {
        // acquire: pairs with the release in unlock().
        while (is_locked_.exchange(true, std::memory_order_acquire)) yield_thread();
    }
    // release: pairs with the acquire in lock().
    void unlock() noexcept { is_locked_.store(false, std::memory_order_release); }

private:
    atomic<bool> is_locked_{false};
};

#endif

}  // namespace eddy::detail
