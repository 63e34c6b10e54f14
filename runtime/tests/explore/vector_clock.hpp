// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace explore::detail {

/// Maximum number of threads of a model, including its body.
inline constexpr unsigned max_threads = 8;
inline constexpr unsigned no_thread = max_threads;

using stamp = std::uint32_t;

/// The progress of each thread, as far as the clock's owner knows it. The component for thread t covers all operations
/// of t with stamps up to its value. Stamps start at 1, so an empty clock covers nothing.
class vector_clock {
public:
    [[nodiscard]] stamp operator[](unsigned thread) const noexcept { return at_[thread]; }
    void set(unsigned thread, stamp when) noexcept { at_[thread] = when; }
    void tick(unsigned thread) noexcept { ++at_[thread]; }
    [[nodiscard]] bool covers(unsigned thread, stamp when) const noexcept { return when <= at_[thread]; }

    void join(const vector_clock& other) noexcept {
        for (unsigned t = 0; t < max_threads; ++t) at_[t] = std::max(at_[t], other.at_[t]);
    }

private:
    std::array<stamp, max_threads> at_{};
};

}  // namespace explore::detail
