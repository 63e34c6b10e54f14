// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "limit.hpp"

// Lets the threads of a test wait for each other. The limit of each wait is operation_limit().

namespace support {

/// A counter that threads can wait for.
class tally {
public:
    void add() {
        const std::lock_guard guard(lock_);
        ++count_;
        changed_.notify_all();
    }
    [[nodiscard]] std::uint64_t count() const {
        const std::lock_guard guard(lock_);
        return count_;
    }
    /// Waits until the count is at least `wanted`. Returns false after operation_limit().
    [[nodiscard]] bool wait_for(std::uint64_t wanted) const {
        std::unique_lock guard(lock_);
        return changed_.wait_for(guard, operation_limit(), [&] { return count_ >= wanted; });
    }

private:
    mutable std::mutex lock_;
    mutable std::condition_variable changed_;
    std::uint64_t count_ = 0;
};

/// A gate that threads can wait for. Once opened, it stays open.
class gate {
public:
    void open() { opened_.add(); }
    /// Waits until the gate is open. Returns false after operation_limit().
    [[nodiscard]] bool wait() const { return opened_.wait_for(1); }

private:
    tally opened_;
};

/// Calls `f` until it returns true. Returns false after operation_limit(). Use it for conditions without a
/// notification.
template <class Fn>
bool comes_true(Fn f) {
    const auto limit = std::chrono::steady_clock::now() + operation_limit();
    while (!f()) {
        if (std::chrono::steady_clock::now() > limit) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace support
