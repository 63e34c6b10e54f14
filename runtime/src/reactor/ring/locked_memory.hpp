// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <thread>

namespace eddy::detail {

/// Calls `call` until `is_short(answer)` is false, for at most 200 ms, and returns the last answer. The kernel releases
/// the locked memory of a closed ring some time later, and counts it for all processes of the user. So locked memory
/// can be short for a moment.
/// Cost: blocks the thread with a sleep of 2 ms between two calls.
template <class Call, class IsShort>
auto retry_while_memory_is_short(Call call, IsShort is_short) noexcept {
    constexpr int attempts = 100;
    constexpr auto pause = std::chrono::milliseconds(2);
    for (int i = 1;; ++i) {
        auto answer = call();
        if (i == attempts || !is_short(answer)) return answer;
        std::this_thread::sleep_for(pause);
    }
}

}  // namespace eddy::detail
