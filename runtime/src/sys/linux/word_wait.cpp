// SPDX-License-Identifier: MIT
#include "sys/word_wait.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

// futex(2).

namespace eddy::sys {
namespace {

static_assert(sizeof(sleep_word) == sizeof(std::uint32_t) && sleep_word::is_always_lock_free,
              "the kernel reads the atomic as a plain 32-bit word");

}  // namespace

bool sleep_on(const sleep_word& word, std::uint32_t value, std::chrono::steady_clock::time_point deadline) noexcept {
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
    // A different value and a signal end the wait as a wake-up does.
    return ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, value, is_limited ? &until : nullptr, nullptr,
                     FUTEX_BITSET_MATCH_ANY) == 0 ||
           errno != ETIMEDOUT;
}

void wake_sleeper(const sleep_word& word) noexcept { ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1); }

}  // namespace eddy::sys
