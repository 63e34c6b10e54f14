// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/runtime/runtime_metrics.hpp>

#include "executor/watch/executor_watch.hpp"
#include "sys/steady_ns.hpp"

namespace eddy::detail {

/// The counters of a worker.
/// Thread safety: only the thread that runs the worker writes; any thread reads.
/// All accesses are relaxed: readers use the numbers only, and no other memory depends on them.
struct worker_counters {
    atomic<std::uint64_t> polls{0};
    atomic<std::uint64_t> steals{0};         ///< tasks taken from other workers
    atomic<std::uint64_t> overflows{0};      ///< tasks that did not fit into the run queue
    atomic<std::uint64_t> parked{0};         ///< how often the worker has waited
    atomic<std::uint64_t> forced_yields{0};  ///< polls whose coop budget was used up
};

/// The watch of a worker: counts, too, and measures for how long the worker is busy.
/// Thread safety: as for executor_watch and worker_counters.
class worker_watch : worker_counters, public executor_watch {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Changes when the worker makes progress.
    struct progress {
        std::uint64_t polls = 0;
        std::uint64_t parks = 0;

        bool operator==(const progress&) const = default;
    };

    worker_watch(const observer* by, const std::string& name, const stall_settings& chosen)
        : executor_watch(by, name, chosen, &polls) {}

    // ---- On the worker's thread ----
    void begin_poll() noexcept { add_to(polls, 1); }
    /// The coop budget of the present poll is used up.
    void budget_used_up() noexcept {
        const std::uint64_t poll = polls_until_now();
        if (std::exchange(forced_yield_in_, poll) != poll) add_to(forced_yields, 1);
    }
    void overflowed() noexcept { add_to(overflows, 1); }
    /// The worker has taken `count` tasks from the worker with this number, and runs `task` first.
    void stolen(std::size_t count, const spawned_task& task, unsigned from) noexcept {
        add_to(steals, count);
        executor_watch::stolen(task, from);
    }
    void waits() noexcept {
        add_to(parked, 1);
        executor_watch::waits();
    }
    /// The worker begins to run tasks.
    void begin_busy(time_point now) noexcept {
        if (is_busy_) busy_ += now - woke_at_;  // another thread goes on
        is_busy_ = true;
        woke_at_ = now;
        busy_word_.store(2 * (busy_ - now.time_since_epoch()).count() + 1, std::memory_order_relaxed);
    }
    /// The worker parks: a busy period ends.
    void end_busy(time_point now) noexcept {
        const auto busy = static_cast<std::uint64_t>((now - woke_at_).count());
        is_busy_ = false;
        busy_ += now - woke_at_;
        busy_word_.store(2 * busy_.count(), std::memory_order_relaxed);
        const std::uint64_t more = polls_until_now() - polls_at_start_;
        polls_at_start_ += more;
        if (more != 0) mean_poll_ns_ = (3 * mean_poll_ns_ + busy / more) / 4;
    }
    // relaxed: written by this thread.
    [[nodiscard]] std::uint64_t polls_until_now() const noexcept { return polls.load(std::memory_order_relaxed); }
    /// Returns the mean duration of recent polls in nanoseconds, as of the last park.
    [[nodiscard]] std::uint64_t mean_poll_ns() const noexcept { return mean_poll_ns_; }

    // ---- Any thread ----
    // relaxed: see worker_counters.
    [[nodiscard]] progress progress_until_now() const noexcept {
        return {polls.load(std::memory_order_relaxed), parked.load(std::memory_order_relaxed)};
    }
    /// Adds what was counted and measured.
    void add_to_metrics(worker_metrics& one) const noexcept;

private:
    [[nodiscard]] std::chrono::nanoseconds busy() const noexcept;
    [[nodiscard]] std::int64_t busy_now() const noexcept;

    std::uint64_t forced_yield_in_ = 0;  // the number of the last poll that has used up its budget
    bool is_busy_ = false;
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
