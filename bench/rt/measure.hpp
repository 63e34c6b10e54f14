// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>

namespace bench {

using clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/// `value`, of which the compiler knows nothing any more.
template <class T>
[[nodiscard]] inline T opaque(T value) noexcept {
    asm volatile("" : "+r"(value));
    return value;
}

/// How many nanoseconds each of so many operations took.
[[nodiscard]] inline double per_operation(nanoseconds taken, std::uint64_t operations) noexcept {
    return static_cast<double>(taken.count()) / static_cast<double>(operations);
}

[[nodiscard]] inline double in_milliseconds(nanoseconds time) noexcept {
    return std::chrono::duration<double, std::milli>(time).count();
}

/// The processor time of the whole process.
[[nodiscard]] nanoseconds cpu_time() noexcept;

/// How often the kernel switched away from a thread of the process, voluntarily or not.
[[nodiscard]] long context_switches() noexcept;

/// The resident memory of the process.
[[nodiscard]] std::uint64_t resident_bytes();

}  // namespace bench
