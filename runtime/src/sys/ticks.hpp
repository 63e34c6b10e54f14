// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "sys/steady_ns.hpp"

// A clock that is read in about 10 ns: the processor's counter, where it counts at a constant rate and equally on all
// processors.

namespace eddy::sys {

#if defined(__x86_64__)

/// Whether the counter does not depend on the frequency and the sleep states of the processor ("invariant TSC").
inline const bool has_steady_counter = [] {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return __get_cpuid(0x8000'0007, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
}();

/// Returns the time, in a unit that stays the same while the process exists.
inline std::uint64_t ticks() noexcept {
    if (has_steady_counter) [[likely]]
        return __builtin_ia32_rdtsc();
    return steady_ns();
}

#elif defined(__aarch64__)

inline std::uint64_t ticks() noexcept {
    std::uint64_t now = 0;
    asm volatile("mrs %0, cntvct_el0" : "=r"(now));
    return now;
}

#else

inline std::uint64_t ticks() noexcept { return steady_ns(); }

#endif

}  // namespace eddy::sys
