// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace eddy::inline v0_1::sys {

/// Sleeps while `word` has this value: until wake_sleeper(word) or `deadline`, and possibly shorter. So the caller
/// checks the word and the time again. The deadline time_point::max() means none.
void sleep_on(const std::atomic<std::uint32_t>& word, std::uint32_t value,
              std::chrono::steady_clock::time_point deadline) noexcept;

/// Wakes the thread that sleeps on `word`. The caller has changed the word before. Does not access the word, so another
/// thread may have freed it already.
void wake_sleeper(const std::atomic<std::uint32_t>& word) noexcept;

}  // namespace eddy::sys
