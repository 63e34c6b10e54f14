// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// A fast random number generator, for load distribution and fairness. Not suitable for secrets.
/// Thread safety: one thread at a time.
class random_numbers {
public:
    constexpr explicit random_numbers(std::uint64_t seed) noexcept : state_(seed) {}

    /// Returns a number below `limit`.
    /// Preconditions: `limit` is at most 2^32.
    [[nodiscard]] std::size_t below(std::size_t limit) noexcept {
        // Knuth's linear congruential generator (MMIX), whose upper bits are random enough, and Lemire's multiplication
        // in place of a division (ACM TOMACS 29, 2019). The result is computed from the previous state, so that it does
        // not have to wait for the new one.
        const std::uint64_t now = state_;
        state_ = now * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::size_t>((now >> 32) * limit >> 32);
    }

private:
    std::uint64_t state_;
};

/// The generator of this thread, for the futures that it polls. Workers seed it.
EDDY_API inline constinit thread_local random_numbers random_here{0x9e3779b97f4a7c15u};

}  // namespace eddy::detail
