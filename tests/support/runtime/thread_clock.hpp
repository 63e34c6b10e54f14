// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#if defined(_WIN32)
#include <support/windows/posix.hpp>
#else
#include <pthread.h>
#include <time.h>
#endif

namespace support {

#ifndef __APPLE__  // it has no clocks of threads for clock_gettime(2)

/// The processor time of a thread, which other threads may read while the thread exists.
class thread_clock {
public:
    /// Returns the clock of the calling thread, or nullopt if the system has none.
    [[nodiscard]] static std::optional<thread_clock> of_this_thread() {
        thread_clock clock;
#if defined(_WIN32)
        clock.thread_ = ::GetCurrentThreadId();
#else
        if (::pthread_getcpuclockid(::pthread_self(), &clock.clock_) != 0) return std::nullopt;
#endif
        return clock;
    }

    /// Returns the time that the thread has used, or nullopt if the thread has ended.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> used() const {
#if defined(_WIN32)
        const HANDLE thread = ::OpenThread(THREAD_QUERY_INFORMATION, FALSE, thread_);
        if (thread == nullptr) return std::nullopt;
        FILETIME created;
        FILETIME ended;
        FILETIME in_kernel;
        FILETIME in_user;
        const bool is_known = ::GetThreadTimes(thread, &created, &ended, &in_kernel, &in_user) != 0;
        ::CloseHandle(thread);
        if (!is_known) return std::nullopt;
        const auto time = [](FILETIME ticks) {  // of 100 ns
            const auto count = (static_cast<std::int64_t>(ticks.dwHighDateTime) << 32) + ticks.dwLowDateTime;
            return std::chrono::nanoseconds(100 * count);
        };
        return time(in_kernel) + time(in_user);
#else
        timespec now{};
        if (::clock_gettime(clock_, &now) != 0) return std::nullopt;
        return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
#endif
    }

private:
    thread_clock() = default;

#if defined(_WIN32)
    DWORD thread_ = 0;
#else
    clockid_t clock_{};
#endif
};

#endif

}  // namespace support
