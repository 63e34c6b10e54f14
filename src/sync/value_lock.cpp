// SPDX-License-Identifier: MIT
#include <eddy/detail/value_lock.hpp>

#include <mutex>

#include <eddy/detail/yield_thread.hpp>

namespace eddy::detail {
namespace {

#ifdef EDDY_EXPLORE
constexpr int tries = 0;  // more say the same
#else
constexpr int tries = 8;
#endif

}  // namespace

bool value_lock::try_lock() noexcept {
    // relaxed, here and below where it fails: nothing is read through it.
    word now = word_.load(std::memory_order_relaxed);
    while ((now & ~sleeps) == 0) {
        // acquire: pairs with the release in unlock() and unlock_shared().
        if (word_.compare_exchange_weak(now, now | writes, std::memory_order_acquire, std::memory_order_relaxed))
            return true;
    }
    return false;
}

bool value_lock::try_lock_shared() noexcept {
    word now = word_.load(std::memory_order_relaxed);
    while ((now & writes) == 0) {
        // acquire: pairs with the release in unlock(): the value is seen as it was left.
        if (word_.compare_exchange_weak(now, now + reader, std::memory_order_acquire, std::memory_order_relaxed))
            return true;
    }
    return false;
}

void value_lock::wait_for(bool (value_lock::*taken)() noexcept) noexcept {
    for (int i = 0; i < tries; ++i) {
        yield_thread();
        if ((this->*taken)()) return;
    }
    std::unique_lock guard(mutex_);
    for (;;) {
        // relaxed: who leaves the lock changes the word, too. Either that comes later and sees the bit, and then its
        // wake-up waits for the mutex; or it came before, and the lock is free. The bit may stay when it was for
        // nothing.
        word_.fetch_or(sleeps, std::memory_order_relaxed);
        if ((this->*taken)()) return;
        left_.wait(guard);
    }
}

void value_lock::wake() noexcept {
    const std::lock_guard guard(mutex_);
    left_.notify_all();
}

void value_lock::wake_writers() noexcept {
    // relaxed: as in wait_for(). Whose bit this takes is woken after it.
    word_.fetch_and(~sleeps, std::memory_order_relaxed);
    wake();
}

}  // namespace eddy::detail
