// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>

#include <eddy/time/clock.hpp>

namespace eddy::inline v0_1::detail {

/// A token bucket that limits how often a client may cause useless work, such as answers to PING. nghttp2 limits the
/// number of streams that a client resets in the same way, with the same numbers.
class http2_allowance {
public:
    /// Takes a token. Returns false if there is none.
    [[nodiscard]] bool take() noexcept {
        if (left_ == 0) refill();
        if (left_ == 0) return false;
        --left_;
        return true;
    }
    /// Adds a token. Call it when the client has caused useful work.
    void earn() noexcept { left_ = std::min(left_ + 1, most); }

private:
    void refill() noexcept {
        const auto now = time::clock::now();
        const auto tokens = (now - refilled_) / interval;
        left_ = static_cast<int>(std::min<std::chrono::nanoseconds::rep>(tokens, most));
        if (left_ != 0) refilled_ = now;
    }

    static constexpr int most = 1000;
    static constexpr auto interval = std::chrono::milliseconds(30);

    int left_ = most;
    time::time_point refilled_ = time::clock::now();
};

}  // namespace eddy::detail
