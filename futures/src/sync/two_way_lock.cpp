// SPDX-License-Identifier: MIT
#include <eddy/stream/split_stream.hpp>

#include <mutex>
#include <utility>

namespace eddy::detail {

bool two_way_lock::take() noexcept { return !std::exchange(is_held_, true); }

bool two_way_lock::poll_lock(const waker& wake) {
    {
        const std::lock_guard guard(access_);
        if (take()) return true;
        if (waits_.will_wake(wake)) return false;
    }
    // The clone and the drop of the former waker may run user-provided code, so both happen outside of the lock.
    waker mine = wake;
    {
        const std::lock_guard guard(access_);
        if (take()) return true;  // unlocked meanwhile
        waits_.swap(mine);
    }
    return false;
}

void two_way_lock::unlock() noexcept {
    waker waits;
    {
        const std::lock_guard guard(access_);
        is_held_ = false;
        waits_.swap(waits);
    }
    std::move(waits).wake();
}

}  // namespace eddy::detail
