// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <ctime>

// A clock that is read in a fifth of the time of steady_clock, because it does not read the processor's counter.

namespace eddy::sys {

/// Returns a time of steady_clock that is up to 10 ms in the future. It is in the past only if the kernel's tick is
/// late.
inline std::chrono::steady_clock::time_point coarse_now() noexcept {
#if defined(__linux__) && defined(CLOCK_MONOTONIC_COARSE)
    // On Linux, steady_clock is CLOCK_MONOTONIC. The coarse clock has the time of the last tick, of at most 10 ms
    // (HZ=100).
    constexpr auto longest_tick = std::chrono::milliseconds(10);
    std::timespec time{};
    if (::clock_gettime(CLOCK_MONOTONIC_COARSE, &time) == 0) {
        const auto since = std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec) + longest_tick;
        return std::chrono::steady_clock::time_point(since);
    }
#endif
    return std::chrono::steady_clock::now();
}

}  // namespace eddy::sys
