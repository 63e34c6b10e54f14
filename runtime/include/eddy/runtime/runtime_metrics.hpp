// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/runtime/duration_histogram.hpp>
#include <eddy/runtime/reactor.hpp>

namespace eddy {

/// The counters of one worker since its start, and its current state.
struct worker_metrics {
    std::uint64_t polls = 0;           ///< polls of tasks
    std::uint64_t steals = 0;          ///< tasks that were stolen from other workers, except stalled ones
    std::uint64_t overflows = 0;       ///< tasks that did not fit into the run queue
    std::uint64_t parks = 0;           ///< times that it parked
    std::uint64_t forced_yields = 0;   ///< polls that ended because the coop budget was used up
    std::chrono::nanoseconds busy{0};  ///< time not parked
    std::size_t queued = 0;            ///< tasks in its run queue now
    std::size_t sources = 0;           ///< descriptors in its driver now; 0 if it shares the previous worker's
    io_metrics io;                     ///< the counters of its driver; 0 if it shares the previous worker's
    duration_histogram poll_times;     ///< durations of polls; empty unless runtime_builder::poll_time_histogram(true)
    /// How long tasks waited from their wake-up or spawn to their poll. Empty unless
    /// runtime_builder::task_statistics(true).
    duration_histogram schedule_latencies;
    std::uint64_t stalls = 0;        ///< polls that lasted too long; see runtime_builder::stall_limit()
    duration_histogram stall_times;  ///< durations of stalls that have ended: the time for which each was measured

    /// Constructs zeros.
    worker_metrics() noexcept {}  // NOLINT: GCC 12 destroys an aggregate in a co_await twice
};

/// A snapshot of the counters and the state of a runtime, all taken at approximately the same time.
/// Thread safety: a plain value.
/// Cost: taking a snapshot reads some atomics of each worker; nothing is stopped meanwhile.
class runtime_metrics {
public:
    /// For the library.
    explicit runtime_metrics(std::vector<worker_metrics> workers) : workers_(std::move(workers)) {}

    /// Returns the number of workers.
    [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }
    /// Returns the counters of one worker.
    /// Errors: throws std::out_of_range if `index` is not less than workers().
    [[nodiscard]] const worker_metrics& worker(std::size_t index) const { return workers_.at(index); }

    std::optional<driver_kind> driver;  ///< the driver of the workers; nullopt without I/O
    std::string_view why_driver;        ///< why it was chosen, in a sentence; static storage duration

    std::size_t alive_tasks = 0;      ///< tasks that are alive now, including background tasks, without blocking work
    std::uint64_t spawned_tasks = 0;  ///< tasks that were spawned since the start; counted like alive_tasks
    std::size_t injection_queue_depth = 0;  ///< tasks in the injection queue now
    std::size_t blocking_threads = 0;       ///< threads for blocking work now, including idle ones
    std::size_t idle_blocking_threads = 0;  ///< threads for blocking work that are idle now
    std::size_t blocking_queue_depth = 0;   ///< blocking work that no thread has begun

    /// Each returns the sum over all workers.
    [[nodiscard]] std::uint64_t polls() const noexcept { return sum(&worker_metrics::polls); }
    [[nodiscard]] std::uint64_t steals() const noexcept { return sum(&worker_metrics::steals); }
    [[nodiscard]] std::uint64_t overflows() const noexcept { return sum(&worker_metrics::overflows); }
    [[nodiscard]] std::uint64_t parks() const noexcept { return sum(&worker_metrics::parks); }
    [[nodiscard]] std::uint64_t stalls() const noexcept { return sum(&worker_metrics::stalls); }
    [[nodiscard]] std::uint64_t forced_yields() const noexcept { return sum(&worker_metrics::forced_yields); }
    [[nodiscard]] io_metrics io() const noexcept {
        io_metrics all;
        for (const auto& each : workers_) {
            all.fds_registered += each.io.fds_registered;
            all.fds_deregistered += each.io.fds_deregistered;
            all.ready_events += each.io.ready_events;
            all.operations_given_up += each.io.operations_given_up;
        }
        return all;
    }

    /// Each returns the sum of all workers' histograms; see worker_metrics.
    [[nodiscard]] duration_histogram poll_times() const noexcept { return sum(&worker_metrics::poll_times); }
    [[nodiscard]] duration_histogram schedule_latencies() const noexcept {
        return sum(&worker_metrics::schedule_latencies);
    }
    [[nodiscard]] duration_histogram stall_times() const noexcept { return sum(&worker_metrics::stall_times); }

private:
    template <class T>
    [[nodiscard]] T sum(T worker_metrics::* member) const noexcept {
        T total{};
        for (const auto& each : workers_) total += each.*member;
        return total;
    }

    std::vector<worker_metrics> workers_;
};

}  // namespace eddy
