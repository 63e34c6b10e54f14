// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "sys/thread_signal.hpp"

namespace eddy::detail {

/// Parks a thread that has no driver to wait in. One unpark() ends one park(): the one in progress or the next one.
/// Thread safety: park() on one thread at a time, unpark() on any.
class parker {
public:
    /// Waits for an unpark(), or for at most `limit`.
    void park(std::optional<std::chrono::nanoseconds> limit) noexcept {
        auto deadline = sys::thread_signal::time_point::max();
        // The wait is limited, so that the sum with the current time cannot overflow. The caller checks the time again.
        if (limit) deadline = std::chrono::steady_clock::now() + std::min<std::chrono::nanoseconds>(*limit, longest);
        if (!limit || *limit > std::chrono::nanoseconds::zero()) static_cast<void>(due_.wait_until(deadline));
        due_.reset();
    }

    void unpark() noexcept {
        if (due_.set()) due_.wake();
    }

private:
    static constexpr std::chrono::hours longest{24};

    sys::thread_signal due_;
};

}  // namespace eddy::detail
