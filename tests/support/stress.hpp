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

/// The number in an environment variable; nothing if it is unset or not a number.
inline std::optional<std::uint64_t> env_number(const char* name) {
    const char* text = std::getenv(name);
    if (text == nullptr) return std::nullopt;
    const std::string_view digits(text);
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

/// How many rounds a stress loop makes that makes `full` rounds in `./dev soak`: EDDY_STRESS percent of them, 2 if
/// unset. A suite with such loops has "Stress" in its name, which is how the soak finds it.
inline std::uint64_t rounds(std::uint64_t full) {
    // Divided first, so that a large `full` does not overflow; the remainder keeps small ones exact.
    const auto percent = env_number("EDDY_STRESS").value_or(2);
    return std::max<std::uint64_t>(1, full / 100 * percent + full % 100 * percent / 100);
}

/// Rounds in which two threads hand over to each other. On a machine whose processors are busy each of them costs a
/// turn of the scheduler, so they end early after five seconds for each percent that `rounds` counts by.
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
        std::chrono::steady_clock::now() + std::chrono::seconds(5) * env_number("EDDY_STRESS").value_or(2);
};

/// The seed for whatever a test draws at random: EDDY_TEST_SEED, or a new one in each process. It is printed when it is
/// first asked for and not after a failure, so that it is known after a crash or a timeout, too; tests/run.py shows it
/// then.
inline std::uint64_t seed() {
    static const std::uint64_t value = [] {
        const auto chosen = env_number("EDDY_TEST_SEED").value_or(std::random_device{}());
        std::fprintf(stderr, "to repeat: EDDY_TEST_SEED=%llu\n", static_cast<unsigned long long>(chosen));
        return chosen;
    }();
    return value;
}

}  // namespace support
