// SPDX-License-Identifier: MIT
#include <bits/atomic_wait.h>

#include "sys/socket_api.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace support {
namespace {

struct entry {
    SRWLOCK lock = SRWLOCK_INIT;
    CONDITION_VARIABLE changed = CONDITION_VARIABLE_INIT;
};

/// Words that share an entry wake each other.
entry& entry_of(const void* word) {
    // Never destroyed: threads may wait here until the process has ended.
    static auto& table = *new std::array<entry, 64>;
    return table[reinterpret_cast<std::uintptr_t>(word) / 8 % table.size()];
}

/// Returns the time until the deadline, as SleepConditionVariableSRW() expects it.
DWORD milliseconds_until(std::chrono::steady_clock::time_point deadline) {
    using std::chrono::milliseconds;
    using std::chrono::steady_clock;
    if (deadline == steady_clock::time_point::max()) return INFINITE;
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    return static_cast<DWORD>(std::clamp<std::int64_t>(left, 0, INFINITE - 1));
}

}  // namespace

bool wait_for_change(const __UINT64_TYPE__* word, __UINT64_TYPE__ value,
                     std::chrono::steady_clock::time_point deadline) noexcept {
    entry& shared = entry_of(word);
    ::AcquireSRWLockExclusive(&shared.lock);
    bool is_in_time = true;
    // The lock orders this load and the notification: if it reads the old value, notify_waiters() takes the lock later.
    if (__atomic_load_n(word, __ATOMIC_SEQ_CST) == value) {
        is_in_time = ::SleepConditionVariableSRW(&shared.changed, &shared.lock, milliseconds_until(deadline), 0) != 0;
    }
    ::ReleaseSRWLockExclusive(&shared.lock);
    return is_in_time;
}

void notify_waiters(const void* word) noexcept {
    entry& shared = entry_of(word);
    ::AcquireSRWLockExclusive(&shared.lock);
    ::ReleaseSRWLockExclusive(&shared.lock);
    ::WakeAllConditionVariable(&shared.changed);
}

}  // namespace support
