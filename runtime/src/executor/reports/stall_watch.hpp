// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/duration_histogram.hpp>
#include <eddy/runtime/stall_report.hpp>

namespace eddy::detail {

/// What a builder has chosen about stalls.
struct stall_settings {
    std::chrono::nanoseconds limit{default_stall_limit};  ///< 0: off
    stall_handler on_stall;                               ///< null: print
    std::uint64_t executor = 0;  ///< a number of the pool or event loop: each reports its places
};

/// The stalls of a thread until now.
struct stall_counters {
    std::uint64_t stalls = 0;
    duration_histogram times;  ///< of those that have ended
};

/// Makes the stall watchdog watch the polls of a worker or an event loop while it exists. The watchdog is a thread of
/// the process. It starts when a watched thread runs for the first time, and sleeps while none runs.
///
///     activity_    odd while the thread runs tasks, even while it waits or is outside; each change is a new number
///
/// A poll costs nothing: the watchdog reads the counter of polls and the mark of the polled task (polled_task), by a
/// system call, since they are plain memory of another thread. If both stay the same while activity_ stays odd, this
/// is the same poll (stall_watchdog.cpp).
///
/// `activity_` and `watchdog_sleeps` are a store-load pair (Dekker), see begin_run(). These are std::atomic, since
/// models do not explore them.
/// Thread safety: the first three functions on the thread that runs the worker or loop; counters() on any.
class stall_watch : immovable {
public:
    /// `polls` is the counter of polls: 64 bits, which the thread increments.
    stall_watch(const stall_settings& chosen, const void* polls);
    /// Waits while the stall handler is called for this thread.
    ~stall_watch();

    /// Makes the calling thread the watched one.
    void watch_this_thread() noexcept;
    /// The thread runs tasks from now on.
    void begin_run() noexcept {
        if (!is_on_) return;
        // seq_cst: the store of a store-load pair. The watchdog stores `watchdog_sleeps`, then loads activity_ of all
        // threads. If both loads read the old values, the watchdog would sleep while this thread runs.
        activity_.store((activity_.load(std::memory_order_relaxed) + 1) | 1, std::memory_order_seq_cst);
        if (watchdog_sleeps.load(std::memory_order_seq_cst)) [[unlikely]]
            wake_watchdog();
    }
    /// The thread waits, or has left the worker or loop.
    void end_run() noexcept {
        if (!is_on_) return;
        // relaxed, both: written by this thread; the watchdog only compares numbers.
        activity_.store((activity_.load(std::memory_order_relaxed) | 1) + 1, std::memory_order_relaxed);
    }

    [[nodiscard]] stall_counters counters() const noexcept;

private:
    friend class stall_watchdog;

    /// One poll, as the watchdog sees it.
    struct sight {
        std::uint64_t activity = 0;
        std::uint64_t polls = 0;
        std::uintptr_t task = 0;  ///< null: no task is polled
        std::uint64_t id = 0;

        bool operator==(const sight&) const = default;
    };
    /// What the watchdog knows of a poll: how much of it was computing or blocked. Used under the watchdog's lock.
    struct watched_poll {
        sight is;
        std::chrono::nanoseconds used_before{-1};  ///< the thread's processor time at the last look; -1: unknown
        bool was_blocked = false;                  ///< at the last look
        std::chrono::nanoseconds computed{0};
        std::chrono::nanoseconds blocked{0};
        bool is_stall = false;
        bool is_to_report = false;

        [[nodiscard]] std::chrono::nanoseconds lasted() const noexcept { return computed + blocked; }
    };

    static void wake_watchdog() noexcept;

    static inline constinit std::atomic<bool> watchdog_sleeps{true};  // or has not started

    // Any thread.
    std::atomic<std::uint64_t> activity_{0};
    std::atomic<int> thread_{0};                            // sys::this_thread_number()
    std::atomic<const runtime_context*> context_{nullptr};  // of that thread
    const void* const polls_;
    const std::chrono::nanoseconds limit_;
    const stall_handler on_stall_;
    const std::uint64_t executor_;
    const bool is_on_;

    // Under the watchdog's lock.
    stall_watch* next_ = nullptr;
    stall_watch* previous_ = nullptr;
    watched_poll poll_;
    stall_counters counted_;
};

}  // namespace eddy::detail
