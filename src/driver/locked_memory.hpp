// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <thread>

namespace eddy::detail {

/// Calls again while `is_short(answer)`, for a fifth of a second at most. The kernel gives back the locked memory of a
/// ring some time after that was closed, and counts it for all processes of a user: so there may be none for a moment.
template <class Call, class IsShort>
auto until_memory_is_back(Call call, IsShort is_short) noexcept {
    constexpr int attempts = 100;
    constexpr auto pause = std::chrono::milliseconds(2);
    for (int i = 1;; ++i) {
        auto answer = call();
        if (i == attempts || !is_short(answer)) return answer;
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace eddy::detail
