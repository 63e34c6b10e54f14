// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>

#include <eddy/detail/atomic.hpp>

#include "sys/thread.hpp"
#include "sys/thread_signal.hpp"

namespace eddy::detail {

/// A thread of a blocking pool. The object is reused for a later thread, and is freed with the pool. So a thread that
/// notifies it need not hold the lock.
struct blocking_thread {
    sys::thread thread;
    sys::thread_signal woken;         // another thread has taken this one off the idle list
    blocking_thread* next = nullptr;  // link of one of the three lists of threads
    bool expects_job = false;         // the last wait was short
};

/// The idle threads of a blocking pool.
///
/// pop() takes a thread off the list under the lock before the thread is woken. So a thread whose time is over cannot
/// miss a wake-up that was meant for it. The thread that became idle last is woken first, because its caches are warm.
/// So surplus threads reach their time and end. A thread that got its last job soon after the previous one spins before
/// it sleeps, and gets the next job. Only one thread does so at a time.
/// Thread safety: the lock of the pool is held in all functions; wait() releases it meanwhile.
class idle_threads {
public:
    using time_point = std::chrono::steady_clock::time_point;

    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// Returns how many threads were taken off the list and have not returned from wait() since.
    [[nodiscard]] std::size_t woken() const noexcept { return woken_; }

    /// Takes out the thread that spins, or else the one that became idle last, and signals it. Returns it if it sleeps;
    /// the caller must wake it then.
    /// Preconditions: there is an idle thread.
    [[nodiscard]] blocking_thread* pop() noexcept;
    /// Waits until this thread is woken for a job. Returns false if `keep_alive` has passed, so that it should end.
    [[nodiscard]] bool wait(blocking_thread& self, std::unique_lock<mutex>& guard,
                            std::chrono::nanoseconds keep_alive) noexcept;

private:
    void remove(blocking_thread& one) noexcept;

    blocking_thread* first_ = nullptr;    // last in, first out
    blocking_thread* spinner_ = nullptr;  // the thread that spins, or has spun and sleeps now; or null
    std::size_t size_ = 0;
    std::size_t woken_ = 0;
};

}  // namespace eddy::detail
