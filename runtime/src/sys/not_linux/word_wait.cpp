// SPDX-License-Identifier: MIT
#include "sys/word_wait.hpp"

#include <array>
#include <condition_variable>
#include <mutex>

// A table of condition variables, for systems whose futexes differ or are not documented. Words that share an entry
// wake each other, which sleep_on() allows.

namespace eddy::sys {
namespace {

struct entry {
    std::mutex lock;
    std::condition_variable changed;
};

entry& entry_of(const void* word) {
    // Never destroyed: threads may sleep here until the process has ended.
    static auto& table = *new std::array<entry, 64>;
    return table[reinterpret_cast<std::uintptr_t>(word) / 64 % table.size()];
}

}  // namespace

bool sleep_on(const sleep_word& word, std::uint32_t value, std::chrono::steady_clock::time_point deadline) noexcept {
    // std::condition_variable may convert the deadline to another clock, which overflows far in the past.
    if (deadline <= std::chrono::steady_clock::now()) return false;
    entry& shared = entry_of(&word);
    std::unique_lock guard(shared.lock);
    // acquire: the caller may use what was written before the change of the word. The lock orders this load and the
    // notification: if it reads the old value, wake_sleeper() takes the lock later.
    if (word.load(std::memory_order_acquire) != value) return true;
    if (deadline != std::chrono::steady_clock::time_point::max())
        return shared.changed.wait_until(guard, deadline) == std::cv_status::no_timeout;
    shared.changed.wait(guard);
    return true;
}

void wake_sleeper(const sleep_word& word) noexcept {
    entry& shared = entry_of(&word);
    {
        const std::lock_guard guard(shared.lock);
    }
    shared.changed.notify_all();
}

}  // namespace eddy::sys
