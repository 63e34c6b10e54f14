// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace explore::detail {

/// How many threads a model may have, its body included.
inline constexpr unsigned max_threads = 8;
inline constexpr unsigned no_thread = max_threads;

using stamp = std::uint32_t;

/// How far each thread had come, as far as the clock's owner knows: its component for thread t covers all that t did
/// with stamps up to it. Threads count from 1, so that an empty clock covers nothing.
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
