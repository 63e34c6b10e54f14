// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

#include <eddy/time/clock.hpp>

namespace eddy::detail {

/// A token bucket that limits how often a client may cause useless work, such as answers to PING.
class http2_allowance {
public:
    /// Takes a token. Returns false if there is none.
    [[nodiscard]] bool take() noexcept {
        if (left_ == 0) refill();
        if (left_ == 0) return false;
        --left_;
        return true;
    }
    /// Adds tokens. Call it when the client has caused useful work.
    void earn(std::size_t tokens = 1) noexcept {
        left_ += static_cast<int>(std::min(tokens, static_cast<std::size_t>(most - left_)));
    }

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
