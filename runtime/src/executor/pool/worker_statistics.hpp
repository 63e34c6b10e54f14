// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

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
    atomic<std::uint64_t> busy_ns{0};  ///< time between parks, in nanoseconds, up to the last park

    static void add(atomic<std::uint64_t>& counter, std::uint64_t more) noexcept {
        // relaxed: statistics. A load and a store instead of a read-modify-write: there is one writer.
        counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
};

/// What a worker measures: its counters, how long polls take, and how long it is busy between two parks.
/// Thread safety: as for worker_counters.
class worker_statistics {
public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit worker_statistics(bool counts_poll_times)
        : poll_times_(counts_poll_times ? std::make_unique<histogram>() : nullptr) {}

    [[nodiscard]] const worker_counters& counters() const noexcept { return counters_; }
    [[nodiscard]] worker_counters& counters() noexcept { return counters_; }

    [[nodiscard]] bool counts_poll_times() const noexcept { return poll_times_ != nullptr; }
    /// Preconditions: counts_poll_times().
    void note_poll(std::chrono::nanoseconds taken) noexcept {
        worker_counters::add((*poll_times_)[duration_histogram::bucket_of(taken)], 1);
    }
    [[nodiscard]] duration_histogram poll_times() const noexcept {
        duration_histogram found;
        if (poll_times_ == nullptr) return found;
        for (std::size_t i = 0; i < poll_times_->size(); ++i)
            found.add(i, (*poll_times_)[i].load(std::memory_order_relaxed));  // relaxed: see worker_counters
        return found;
    }

    /// The worker begins to run tasks.
    void note_start(time_point now) noexcept { woke_at_ = now; }
    /// The worker parks: a busy period ends.
    void note_park(time_point now) noexcept {
        const auto busy = static_cast<std::uint64_t>((now - woke_at_).count());
        worker_counters::add(counters_.busy_ns, busy);
        // relaxed: written by this thread.
        const std::uint64_t polls = counters_.polls.load(std::memory_order_relaxed) - polls_at_start_;
        polls_at_start_ += polls;
        if (polls != 0) mean_poll_ns_ = (3 * mean_poll_ns_ + busy / polls) / 4;
    }
    /// Returns the mean duration of recent polls in nanoseconds, as of the last park.
    [[nodiscard]] std::uint64_t mean_poll_ns() const noexcept { return mean_poll_ns_; }

private:
    using histogram = std::array<atomic<std::uint64_t>, duration_histogram::buckets>;

    worker_counters counters_;
    const std::unique_ptr<histogram> poll_times_;  // null if the histogram is disabled
    time_point woke_at_{};
    std::uint64_t polls_at_start_ = 0;
    std::uint64_t mean_poll_ns_ = 10'000;  // moving average. The initial value makes three queued tasks wake a worker
};

}  // namespace eddy::detail
