// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/yield_thread.hpp>

namespace eddy::detail {

#ifdef EDDY_EXPLORE
using spin_lock = mutex;  // who spins has no end of interleavings, and all of them say the same
#else

/// A lock for a few instructions: one exchange, and a plain store to leave it. Satisfies BasicLockable.
class spin_lock {
public:
    void lock() noexcept {
        // acquire: pairs with the release in unlock().
        while (is_locked_.exchange(true, std::memory_order_acquire)) yield_thread();
    }
    void unlock() noexcept { is_locked_.store(false, std::memory_order_release); }

private:
    atomic<bool> is_locked_{false};
};

#endif

}  // namespace eddy::detail
