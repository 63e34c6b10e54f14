// SPDX-License-Identifier: MIT
#include <eddy/sync/detail/watch_state.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <source_location>
#include <utility>

#include <eddy/detail/atomic.hpp>

namespace eddy::detail {
namespace {

#ifdef EDDY_EXPLORE
constexpr int tries = 0;  // more tries add interleavings but no new behavior
#else
constexpr int tries = 8;
#endif

/// Waits for a wake-up. A guard should exist for a few instructions only, so a long wait is probably a deadlock. This
/// is not certain, because another thread may really hold its guard for long. So this function prints a warning and
/// continues to wait.
void wait_or_warn(condition_variable& left, std::unique_lock<mutex>& guard, [[maybe_unused]] bool& has_warned,
                  [[maybe_unused]] call_site at) {
#if !defined(EDDY_EXPLORE) && !defined(EDDY_NO_THREADS)
    constexpr std::chrono::seconds patience(2);
    if (!has_warned && left.wait_for(guard, patience) == std::cv_status::no_timeout) return;
    if (!std::exchange(has_warned, true)) {
        const std::source_location where = source_location_of(at);
        std::fprintf(
            stderr,
            "eddy: a thread has waited 2 s for the value of a sync::watch, maybe for itself: destroy the guard of "
            "borrow() before a send and before a co_await; the function passed to send_modify() must not use the "
            "channel. The thread waits at %s:%u\n",
            where.file_name(), static_cast<unsigned>(where.line()));
        return;
    }
#endif
    left.wait(guard);
}

}  // namespace

bool value_lock::try_lock() noexcept {
    // relaxed load, also on failure of the exchange: it publishes no other data.
    word now = word_.load(std::memory_order_relaxed);
    while ((now & ~sleeps) == 0) {
        // acquire: pairs with the release in unlock() and unlock_shared().
        if (word_.compare_exchange_weak(now, now | writes, std::memory_order_acquire, std::memory_order_relaxed))
            return true;
    }
    return false;
}

bool value_lock::try_lock_shared() noexcept {
    // relaxed load, also on failure of the exchange: it publishes no other data.
    word now = word_.load(std::memory_order_relaxed);
    while ((now & writes) == 0) {
        // acquire: pairs with the release in unlock(). The reader sees the value that the last writer left.
        if (word_.compare_exchange_weak(now, now + reader, std::memory_order_acquire, std::memory_order_relaxed))
            return true;
    }
    return false;
}

void value_lock::wait_for(bool (value_lock::*taken)() noexcept, call_site where) noexcept {
    for (int i = 0; i < tries; ++i) {
        yield_thread();
        if ((this->*taken)()) return;
    }
    std::unique_lock guard(mutex_);
    bool has_warned = false;
    for (;;) {
        // relaxed: the modification order of this one word is sufficient, because each unlock also changes it. If the
        // unlock is ordered after this change, it sees the bit, and its wake() waits for the mutex until this thread
        // sleeps. If it is ordered before, the lock is free and the next try takes it. The bit may remain set without a
        // sleeping thread; that costs one superfluous wake-up.
        word_.fetch_or(sleeps, std::memory_order_relaxed);
        if ((this->*taken)()) return;
        wait_or_warn(left_, guard, has_warned, where);
    }
}

void value_lock::wake() noexcept {
    const std::lock_guard guard(mutex_);
    left_.notify_all();
}

void value_lock::wake_writers() noexcept {
    // relaxed: as in wait_for(). Every thread whose bit is cleared here is woken by wake() below.
    word_.fetch_and(~sleeps, std::memory_order_relaxed);
    wake();
}

}  // namespace eddy::detail
