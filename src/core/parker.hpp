// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include <eddy/detail/atomic.hpp>

namespace eddy::inline v0_1::detail {

/// Parks a thread that has no driver to wait in. One unpark() ends one park(): the one in progress or the next one.
/// Thread safety: park() on one thread at a time, unpark() on any.
class parker {
public:
    /// Waits for an unpark(), or for at most `limit`.
    void park(std::optional<std::chrono::nanoseconds> limit) {
        std::unique_lock guard(lock_);
        if (!limit) {
            woken_.wait(guard, [this] { return is_due_; });
        } else if (*limit > std::chrono::nanoseconds::zero()) {
            // The wait is limited, so that the sum with the current time cannot overflow. The caller checks the time
            // again anyway.
            woken_.wait_for(guard, std::min<std::chrono::nanoseconds>(*limit, std::chrono::hours(24)),
                            [this] { return is_due_; });
        }
        is_due_ = false;
    }

    void unpark() noexcept {
        // Notifies under the lock, because the parked thread may destroy this object as soon as it can take the lock.
        std::lock_guard guard(lock_);
        is_due_ = true;
        woken_.notify_one();
    }

private:
    mutex lock_;
    condition_variable woken_;
    bool is_due_ = false;
};

}  // namespace eddy::detail
