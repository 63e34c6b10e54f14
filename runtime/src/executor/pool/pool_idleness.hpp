// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>

#include "sys/fork.hpp"

namespace eddy::detail {

class pool_shutdown;
class pool_tasks;

/// Detects that a pool is idle: no task (except background tasks) and no blocking work is alive. The beginnings and
/// ends of tasks are counted in their lists, those of blocking work here.
///
///     atomic                  changed by               meaning
///     blocking_begun_/ended_  count_blocking()         the blocking jobs of all time
///     is_awaited_             notify_on_each_end()     from now on, each end calls after_end()
///     ends_                   after_end() and waiters  orders their calls; its value is unused
///     caller_of_cancel_       cancel_all()             1 if its caller is blocking work of this pool, else 0
///
/// Thread safety: any thread.
class pool_idleness : immovable {
public:
    /// Both must outlive this object, which uses them only after the pool has been made.
    pool_idleness(pool_tasks& tasks, pool_shutdown& shutdown) noexcept : tasks_(tasks), shutdown_(shutdown) {}

    /// Blocks until the pool is idle or closed.
    void wait() noexcept;
    /// Begins the shutdown as soon as the pool is idle.
    void close_when_idle() noexcept;
    /// Cancels all tasks gracefully, and waits until they have ended or until `deadline`. The drivers keep running.
    /// `works_here`: the caller is blocking work of this pool, and does not wait for itself.
    void cancel_all(std::chrono::steady_clock::time_point deadline, bool works_here) noexcept;

    /// Counts the beginning or the end of blocking work.
    void count_blocking(bool begins) noexcept;
    /// Records that a task has ended and was removed from its list.
    void note_end() noexcept {
        // relaxed: the lock of the list orders this and notify_on_each_end(). If remove() came after synchronize(),
        // this load sees the flag; otherwise the waiter counts the task as ended.
        if (is_awaited_.load(std::memory_order_relaxed)) [[unlikely]]
            after_end();
    }
    /// Records that the pool is closed.
    void note_closed() noexcept;

private:
    [[nodiscard]] std::uint64_t alive(bool with_background) const noexcept;
    void notify_on_each_end() noexcept;
    void after_end() noexcept;

    pool_tasks& tasks_;
    pool_shutdown& shutdown_;
    [[no_unique_address]] const sys::process_mark process_;
    atomic<std::uint64_t> blocking_begun_{0};
    atomic<std::uint64_t> blocking_ended_{0};
    atomic<bool> is_awaited_{false};
    atomic<std::uint32_t> ends_{0};
    atomic<std::uint64_t> caller_of_cancel_{0};
    mutex lock_;
    condition_variable changed_;
    bool closes_when_idle_ = false;
};

}  // namespace eddy::detail
