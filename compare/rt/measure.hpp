// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>

namespace bench {

using clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

/// Returns `value`. The compiler cannot know that the result is the same value.
template <class T>
[[nodiscard]] inline T opaque(T value) noexcept {
    asm volatile("" : "+r"(value));
    return value;
}

/// Returns the nanoseconds per operation.
[[nodiscard]] inline double per_operation(nanoseconds taken, std::uint64_t operations) noexcept {
    return static_cast<double>(taken.count()) / static_cast<double>(operations);
}

[[nodiscard]] inline double in_milliseconds(nanoseconds time) noexcept {
    return std::chrono::duration<double, std::milli>(time).count();
}

/// Returns the processor time of the process.
[[nodiscard]] nanoseconds cpu_time() noexcept;

/// Returns the number of voluntary and involuntary context switches of the process.
[[nodiscard]] long context_switches() noexcept;

/// Returns the resident memory of the process.
[[nodiscard]] std::uint64_t resident_bytes();

}  // namespace bench
