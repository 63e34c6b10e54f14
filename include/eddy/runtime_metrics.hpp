// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/duration_histogram.hpp>
#include <eddy/reactor.hpp>

namespace eddy {

/// What one worker of a runtime has counted since it was made.
struct worker_metrics {
    std::uint64_t polls = 0;           ///< of tasks
    std::uint64_t steals = 0;          ///< tasks taken from other workers
    std::uint64_t overflows = 0;       ///< tasks that found the run queue full
    std::uint64_t parks = 0;           ///< times that it went to sleep
    std::chrono::nanoseconds busy{0};  ///< time not parked, up to its last park
    std::size_t queued = 0;            ///< tasks in its run queue now
    std::size_t sources = 0;           ///< descriptors in its driver now
    io_metrics io;
    duration_histogram poll_times;  ///< of tasks; empty unless runtime_builder::poll_time_histogram(true)

    worker_metrics() noexcept {}  // NOLINT: GCC 12 destroys an aggregate in a co_await twice
};

/// What a runtime has counted, all at about one moment.
/// Thread safety: a plain value. Cost of taking it: some loads for each worker; nothing stops meanwhile.
class runtime_metrics {
public:
    /// For the library.
    explicit runtime_metrics(std::vector<worker_metrics> workers) : workers_(std::move(workers)) {}

    [[nodiscard]] std::size_t workers() const noexcept { return workers_.size(); }
    [[nodiscard]] const worker_metrics& worker(std::size_t index) const { return workers_.at(index); }

    std::optional<driver_kind> driver;  ///< what all workers wait with; nothing without I/O
    std::string_view why_driver;        ///< why it is that one, in a sentence; the text is static

    std::size_t alive_tasks = 0;      ///< now; background tasks included, blocking work not
    std::uint64_t spawned_tasks = 0;  ///< since the start; as above
    std::size_t injection_queue_depth = 0;
    std::size_t blocking_threads = 0;  ///< now, idle ones included
    std::size_t idle_blocking_threads = 0;
    std::size_t blocking_queue_depth = 0;  ///< jobs that no thread has begun

    /// Sums over the workers.
    [[nodiscard]] std::uint64_t polls() const noexcept { return sum(&worker_metrics::polls); }
    [[nodiscard]] std::uint64_t steals() const noexcept { return sum(&worker_metrics::steals); }
    [[nodiscard]] std::uint64_t overflows() const noexcept { return sum(&worker_metrics::overflows); }
    [[nodiscard]] std::uint64_t parks() const noexcept { return sum(&worker_metrics::parks); }
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

    [[nodiscard]] duration_histogram poll_times() const noexcept {
        duration_histogram all;
        for (const auto& each : workers_) all += each.poll_times;
        return all;
    }

private:
    [[nodiscard]] std::uint64_t sum(std::uint64_t worker_metrics::* member) const noexcept {
        std::uint64_t total = 0;
        for (const auto& each : workers_) total += each.*member;
        return total;
    }

    std::vector<worker_metrics> workers_;
};

}  // namespace eddy
