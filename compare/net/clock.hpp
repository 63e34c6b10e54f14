// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <system_error>

namespace bench {

using nanoseconds = std::uint64_t;

[[noreturn]] inline void throw_errno(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

inline nanoseconds read_clock(clockid_t clock) {
    timespec time{};
    if (::clock_gettime(clock, &time) < 0) throw_errno("clock_gettime");
    return static_cast<nanoseconds>(time.tv_sec) * 1'000'000'000 + static_cast<nanoseconds>(time.tv_nsec);
}

inline nanoseconds now() { return read_clock(CLOCK_MONOTONIC); }

inline nanoseconds from_seconds(double seconds) { return static_cast<nanoseconds>(seconds * 1e9); }

}  // namespace bench
