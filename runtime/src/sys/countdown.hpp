// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdint>
#include <optional>

namespace eddy::sys {

/// The remaining time of a wait. Reads the clock only if the timeout is finite and not zero.
class countdown {
public:
    explicit countdown(std::optional<std::chrono::nanoseconds> timeout) noexcept : left_(timeout) {
        if (left_) *left_ = std::max(*left_, std::chrono::nanoseconds::zero());
        if (is_ticking()) end_ = saturating_sum(clock::now(), *left_);
    }

    /// Returns the remaining time; nothing if the wait has no end.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> left() const noexcept { return left_; }
    [[nodiscard]] bool is_over() const noexcept { return left_ && *left_ == std::chrono::nanoseconds::zero(); }

    void update() noexcept {
        if (is_ticking())
            left_ = std::max<std::chrono::nanoseconds>(end_ - clock::now(), std::chrono::nanoseconds::zero());
    }

private:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] bool is_ticking() const noexcept { return left_ && !is_over(); }

    static clock::time_point saturating_sum(clock::time_point now, std::chrono::nanoseconds more) noexcept {
        return more < clock::time_point::max() - now ? now + more : clock::time_point::max();
    }

    std::optional<std::chrono::nanoseconds> left_;
    clock::time_point end_;
};

/// Returns the timeout of poll(2) and epoll_wait(2). Rounds up: with 300 us rounded down to 0, the event loop would
/// spin. A time that does not fit into an int takes several waits.
[[nodiscard]] inline int to_milliseconds(std::optional<std::chrono::nanoseconds> left) noexcept {
    if (!left) return -1;
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(*left).count();
    return static_cast<int>(std::min<std::int64_t>(whole, INT_MAX));
}

}  // namespace eddy::sys
