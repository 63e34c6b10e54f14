// SPDX-License-Identifier: MIT
#include "sys/word_wait.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

// futex(2).

namespace eddy::inline v0_1::sys {
namespace {

using word_type = std::atomic<std::uint32_t>;
static_assert(sizeof(word_type) == sizeof(std::uint32_t) && word_type::is_always_lock_free,
              "the kernel reads the atomic as a plain 32-bit word");

}  // namespace

void sleep_on(const word_type& word, std::uint32_t value, std::chrono::steady_clock::time_point deadline) noexcept {
    using std::chrono::steady_clock;
    // FUTEX_WAIT_BITSET takes an absolute time of CLOCK_MONOTONIC, which is steady_clock in libstdc++ and libc++.
    timespec until{};
    const bool is_limited = deadline != steady_clock::time_point::max();
    if (is_limited) {
        // futex(2) refuses a negative time. The clock begins at the boot of the system, so 0 is over, too.
        const auto since_boot = std::max(deadline.time_since_epoch(), steady_clock::duration::zero());
        const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
        until.tv_sec = static_cast<std::time_t>(seconds.count());
        until.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since_boot - seconds).count());
    }
    // The result does not matter: a different value, a signal and the deadline end the wait as a wake-up does.
    ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value, is_limited ? &until : nullptr, nullptr,
              FUTEX_BITSET_MATCH_ANY);
}

void wake_sleeper(const word_type& word) noexcept { ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1); }

}  // namespace eddy::sys
