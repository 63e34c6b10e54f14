// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string_view>

namespace support {

/// Returns the number in an environment variable, or nullopt if it is unset or not a number.
inline std::optional<std::uint64_t> env_number(const char* name) {
    const char* text = std::getenv(name);
    if (text == nullptr) return std::nullopt;
    const std::string_view digits(text);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

/// Returns the number of rounds of a stress loop that runs `full` rounds in `./dev soak`: EDDY_STRESS percent of them,
/// by default 1. The name of a suite with such loops must contain "Stress", because the soak selects suites by it.
inline std::uint64_t rounds(std::uint64_t full) {
    // Divide first, so that a large `full` does not overflow. The remainder keeps small numbers exact.
    const auto percent = env_number("EDDY_STRESS").value_or(1);
    return std::max<std::uint64_t>(1, full / 100 * percent + full % 100 * percent / 100);
}

/// Counts rounds in which two threads hand over to each other. On a busy machine each handover takes a time slice of
/// the scheduler. So next() returns false early, after five seconds per percent of EDDY_STRESS.
class handover_rounds {
public:
    explicit handover_rounds(std::uint64_t full) : left_(rounds(full)) {}

    [[nodiscard]] bool next() {
        if (left_ == 0 || std::chrono::steady_clock::now() >= end_) return false;
        --left_;
        return true;
    }

private:
    std::uint64_t left_;
    const std::chrono::steady_clock::time_point end_ =
        std::chrono::steady_clock::now() + std::chrono::seconds(5) * env_number("EDDY_STRESS").value_or(1);
};

/// Returns the seed of a test's random numbers: EDDY_TEST_SEED, or a new one in each process. The first call prints it,
/// so that it is known even after a crash or a timeout; tests/run.py then shows it.
inline std::uint64_t seed() {
    static const std::uint64_t value = [] {
        const auto chosen = env_number("EDDY_TEST_SEED").value_or(std::random_device{}());
        std::fprintf(stderr, "to repeat: EDDY_TEST_SEED=%llu\n", static_cast<unsigned long long>(chosen));
        return chosen;
    }();
    return value;
}

}  // namespace support
