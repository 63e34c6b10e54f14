// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

namespace eddy::detail {

/// The state of this thread's random numbers, which are for spreading things evenly and for nothing secret.
inline constinit thread_local std::uint64_t random_state_here = 0;

inline void seed_random_here(std::uint64_t seed) noexcept { random_state_here = seed != 0 ? seed : 1; }

/// One of the numbers below `limit`, which must not be 0, and at most 2^32.
[[nodiscard]] inline std::size_t random_here(std::size_t limit) noexcept {
    // The address of the state: another one for each thread that nobody has seeded.
    if (random_state_here == 0) random_state_here = reinterpret_cast<std::uintptr_t>(&random_state_here);
    // Knuth's generator (MMIX), of which the upper bits are random enough; and Lemire's multiplication in place of a
    // division (ACM TOMACS 29, 2019).
    random_state_here = random_state_here * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>((random_state_here >> 32) * limit >> 32);
}

}  // namespace eddy::detail
