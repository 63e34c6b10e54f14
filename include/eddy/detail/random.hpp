// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// Random numbers for spreading things evenly, and for nothing secret.
class random_numbers {
public:
    constexpr explicit random_numbers(std::uint64_t seed) noexcept : state_(seed) {}

    /// One of the numbers below `limit`, which is at most 2^32.
    [[nodiscard]] std::size_t below(std::size_t limit) noexcept {
        // Knuth's generator (MMIX), of which the upper bits are random enough; and Lemire's multiplication in place of
        // a division (ACM TOMACS 29, 2019). The number is of the state before, so that nobody waits for the next one.
        const std::uint64_t now = state_;
        state_ = now * 6364136223846793005u + 1442695040888963407u;
        return static_cast<std::size_t>((now >> 32) * limit >> 32);
    }

private:
    std::uint64_t state_;
};

/// Those of this thread, which what it polls may use. A worker seeds them.
EDDY_API inline constinit thread_local random_numbers random_here{0x9e3779b97f4a7c15u};

}  // namespace eddy::detail
