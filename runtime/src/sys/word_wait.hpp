// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>

#include <eddy/detail/atomic.hpp>

namespace eddy::sys {

/// The word that a thread sleeps on.
using sleep_word = detail::atomic<std::uint32_t>;

/// Sleeps while `word` has this value: until wake_sleeper(word) or `deadline`, and possibly shorter. So the caller
/// checks the word again. The deadline time_point::max() means none. Returns false if the deadline has passed.
[[nodiscard]] bool sleep_on(const sleep_word& word, std::uint32_t value,
                            std::chrono::steady_clock::time_point deadline) noexcept;

/// Wakes the thread that sleeps on `word`. The caller has changed the word before. Does not access the word, so another
/// thread may have freed it already.
void wake_sleeper(const sleep_word& word) noexcept;

}  // namespace eddy::sys
