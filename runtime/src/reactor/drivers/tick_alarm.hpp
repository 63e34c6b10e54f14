// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace eddy::detail {

/// The alarm of a driver whose system has no timer to watch: a part of the timeout of each tick.
/// Thread safety: the thread that runs the tick.
class tick_alarm {
public:
    /// Sets the alarm, unless an earlier one is set.
    void set(std::chrono::nanoseconds delay) noexcept {
        const auto now = clock::now();
        if (at_ && now < *at_) return;
        at_ = delay < clock::time_point::max() - now ? now + delay : clock::time_point::max();
    }
    /// Returns `timeout`, or the time until the alarm if that is less.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> limit(
        std::optional<std::chrono::nanoseconds> timeout) const noexcept {
        if (!at_) return timeout;
        const auto left = std::max<std::chrono::nanoseconds>(*at_ - clock::now(), std::chrono::nanoseconds{0});
        return timeout ? std::min(*timeout, left) : left;
    }
    /// Removes the alarm if it is due.
    void reset_if_due() noexcept {
        if (at_ && *at_ <= clock::now()) at_.reset();
    }

private:
    using clock = std::chrono::steady_clock;

    std::optional<clock::time_point> at_;
};

}  // namespace eddy::detail
