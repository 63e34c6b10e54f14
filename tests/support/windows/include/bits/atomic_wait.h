// SPDX-License-Identifier: MIT
#pragma once

// Replaces how libstdc++ waits for a change of an atomic variable, for the tests: std::atomic::wait(), std::latch,
// std::barrier and the semaphores. Where libstdc++ 12 has no futex, it compares the value before it takes the lock of
// its condition variable. A notification in between is lost. See docs/compilers.md.

#pragma GCC system_header  // for the reserved names, and for #include_next

#include <bits/c++config.h>
#include <bits/chrono.h>

namespace support {

/// Waits for a notify_waiters() while `word` is `value`, until `deadline` (for ever, if it is the largest value). May
/// return early. Returns false if the deadline has passed.
bool wait_for_change(const __UINT64_TYPE__* word, __UINT64_TYPE__ value,
                     std::chrono::steady_clock::time_point deadline) noexcept;
void notify_waiters(const void* word) noexcept;

}  // namespace support

#define _GLIBCXX_HAVE_PLATFORM_WAIT 1
#define _GLIBCXX_HAVE_PLATFORM_TIMED_WAIT 1

// The functions that <bits/atomic_wait.h> and <bits/atomic_timed_wait.h> call if the system provides them.
namespace std::__detail {

template <class T>
void __platform_wait(const T* address, __UINT64_TYPE__ old) noexcept {
    static_assert(sizeof(T) == sizeof old);
    support::wait_for_change(reinterpret_cast<const __UINT64_TYPE__*>(address), old,
                             chrono::steady_clock::time_point::max());
}

template <class T>
void __platform_notify(const T* address, bool) noexcept {
    support::notify_waiters(address);
}

template <class Clock, class Duration>
bool __platform_wait_until(const __UINT64_TYPE__* address, __UINT64_TYPE__ old,
                           const chrono::time_point<Clock, Duration>& deadline) {
    const auto left = chrono::ceil<chrono::steady_clock::duration>(deadline - Clock::now());
    return support::wait_for_change(address, old, chrono::steady_clock::now() + left) || Clock::now() < deadline;
}

}  // namespace std::__detail

#include_next <bits/atomic_wait.h>
