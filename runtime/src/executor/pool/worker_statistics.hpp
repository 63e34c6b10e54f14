// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/runtime/duration_histogram.hpp>

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

    static void add(atomic<std::uint64_t>& counter, std::uint64_t more) noexcept {
        // relaxed: statistics. A load and a store instead of a read-modify-write: there is one writer.
        counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
};

/// A histogram that one thread writes and any thread reads. Relaxed: see worker_counters.
class counted_durations {
public:
    void add(std::chrono::nanoseconds one) noexcept {
        worker_counters::add(counts_[duration_histogram::bucket_of(one)], 1);
        worker_counters::add(sum_ns_, static_cast<std::uint64_t>(one.count()));
    }
    [[nodiscard]] duration_histogram read() const noexcept {
        duration_histogram found;
        for (std::size_t i = 0; i < counts_.size(); ++i) found.add(i, counts_[i].load(std::memory_order_relaxed));
        found.add(0, 0, std::chrono::nanoseconds(sum_ns_.load(std::memory_order_relaxed)));
        return found;
    }

private:
    std::array<atomic<std::uint64_t>, duration_histogram::buckets> counts_{};
    atomic<std::uint64_t> sum_ns_{0};
};

/// What a worker measures: its counters, how long polls take and are waited for, and how long it is busy.
/// Thread safety: as for worker_counters.
class worker_statistics {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// What the histograms are for is in the observer of the pool.
    explicit worker_statistics(bool is_observed)
        : histograms_(is_observed ? std::make_unique<histograms>() : nullptr) {}

    [[nodiscard]] const worker_counters& counters() const noexcept { return counters_; }
    [[nodiscard]] worker_counters& counters() noexcept { return counters_; }

    struct histograms {
        counted_durations poll_times;
        counted_durations schedule_latencies;
    };
    /// Returns null if the pool has no observer.
    [[nodiscard]] histograms* durations() const noexcept { return histograms_.get(); }

    /// Records that the coop budget of the present poll is used up.
    void note_forced_yield() noexcept {
        // relaxed: written by this thread.
        const std::uint64_t poll = counters_.polls.load(std::memory_order_relaxed);
        if (std::exchange(forced_yield_in_, poll) != poll) worker_counters::add(counters_.forced_yields, 1);
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
            const auto now = std::chrono::steady_clock::now().time_since_epoch();
            if (busy_word_.load(std::memory_order_acquire) == word)
                return (word >> 1) + (word % 2 != 0 ? std::chrono::nanoseconds(now).count() : 0);
        }
    }

    worker_counters counters_;
    const std::unique_ptr<histograms> histograms_;
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
