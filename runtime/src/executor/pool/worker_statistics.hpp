// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include <eddy/detail/atomic.hpp>

#include "executor/task/counted_durations.hpp"
#include "sys/steady_ns.hpp"

namespace eddy::detail {

/// The counters of a worker.
/// Thread safety: only the thread that runs the worker writes; any thread reads.
/// All accesses are relaxed: readers use the numbers only, and no other memory depends on them.
struct worker_counters {
    atomic<std::uint64_t> polls{0};
    atomic<std::uint64_t> steals{0};     ///< tasks taken from other workers
    atomic<std::uint64_t> overflows{0};  ///< tasks that did not fit into the run queue
    atomic<std::uint64_t> parks{0};
    atomic<std::uint64_t> forced_yields{0};  ///< polls whose coop budget was used up
};

/// What a worker measures: its counters, how long polls take and are waited for, and how long it is busy.
/// Thread safety: as for worker_counters.
class worker_statistics {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// `is_observed`: the pool has an observer, which may measure polls.
    explicit worker_statistics(bool is_observed)
        : durations_(is_observed ? std::make_unique<poll_durations>() : nullptr) {}

    [[nodiscard]] const worker_counters& counters() const noexcept { return counters_; }
    [[nodiscard]] worker_counters& counters() noexcept { return counters_; }

    /// Returns null if the pool has no observer.
    [[nodiscard]] poll_durations* durations() const noexcept { return durations_.get(); }

    /// Records that the coop budget of the present poll is used up.
    void note_forced_yield() noexcept {
        // relaxed: written by this thread.
        const std::uint64_t poll = counters_.polls.load(std::memory_order_relaxed);
        if (std::exchange(forced_yield_in_, poll) != poll) add_to(counters_.forced_yields, 1);
    }

    /// The worker begins to run tasks.
    void note_start(time_point now) noexcept {
        if (is_running_) busy_ += now - woke_at_;  // another thread goes on
        is_running_ = true;
        woke_at_ = now;
        busy_word_.store(2 * (busy_ - now.time_since_epoch()).count() + 1, std::memory_order_relaxed);
    }
    /// The worker parks: a busy period ends.
    void note_park(time_point now) noexcept {
        const auto busy = static_cast<std::uint64_t>((now - woke_at_).count());
        is_running_ = false;
        busy_ += now - woke_at_;
        busy_word_.store(2 * busy_.count(), std::memory_order_relaxed);
        // relaxed: written by this thread.
        const std::uint64_t polls = counters_.polls.load(std::memory_order_relaxed) - polls_at_start_;
        polls_at_start_ += polls;
        if (polls != 0) mean_poll_ns_ = (3 * mean_poll_ns_ + busy / polls) / 4;
    }
    /// Returns for how long the worker was not parked. Never less than an earlier call.
    [[nodiscard]] std::chrono::nanoseconds busy() const noexcept {
        const std::int64_t found = busy_now();
        // A park counts until the time that it read, which is earlier than what a reader has added meanwhile.
        std::int64_t shown = shown_busy_.load(std::memory_order_relaxed);
        while (shown < found &&
               !shown_busy_.compare_exchange_weak(shown, found, std::memory_order_relaxed, std::memory_order_relaxed)) {
        }
        return std::chrono::nanoseconds(std::max(shown, found));
    }
    /// Returns the mean duration of recent polls in nanoseconds, as of the last park.
    [[nodiscard]] std::uint64_t mean_poll_ns() const noexcept { return mean_poll_ns_; }

private:
    [[nodiscard]] std::int64_t busy_now() const noexcept {
        for (;;) {
            // acquire: the clock is read after the word. It belongs to the period of the word if the word is the same
            // afterwards; two periods have different words.
            const std::int64_t word = busy_word_.load(std::memory_order_acquire);
            const auto now = static_cast<std::int64_t>(sys::steady_ns());
            if (busy_word_.load(std::memory_order_acquire) == word) return (word >> 1) + (word % 2 != 0 ? now : 0);
        }
    }

    worker_counters counters_;
    const std::unique_ptr<poll_durations> durations_;
    std::uint64_t forced_yield_in_ = 0;  // the number of the last poll that has used up its budget
    bool is_running_ = false;
    time_point woke_at_{};
    std::chrono::nanoseconds busy_{0};  // until `woke_at_`, or until the park
    // For other threads. While the worker is parked: 2 * busy_. While it runs: 2 * (busy_ - woke_at_) + 1, to which a
    // reader adds the time. relaxed stores: the word publishes no other data.
    atomic<std::int64_t> busy_word_{0};
    mutable atomic<std::int64_t> shown_busy_{0};  // the largest result of busy(). relaxed: it publishes nothing else
    std::uint64_t polls_at_start_ = 0;
    std::uint64_t mean_poll_ns_ = 10'000;  // moving average. The initial value makes three queued tasks wake a worker
};

}  // namespace eddy::detail
