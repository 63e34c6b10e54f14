// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/random.hpp>
#include <eddy/future/future.hpp>
#include <eddy/task/detail/spawned_task.hpp>

namespace eddy::detail {

class worker_set;
class worker_tasks;
class worker_watch;

/// The search of a worker for tasks of other workers. While it searches, the others wake no further worker
/// (idle_workers).
/// Thread safety: the thread that runs the worker.
class task_search : immovable {
public:
    /// The search of the worker with this number, for its `tasks`. The first three must outlive this object.
    task_search(worker_set& all, worker_tasks& tasks, worker_watch& watch, unsigned index, std::uint64_t seed) noexcept
        : all_(all), tasks_(tasks), watch_(watch), index_(index), random_(seed) {}

    /// Takes a task from another worker, or from the injection queue. Returns null if there is none, or if enough other
    /// workers search.
    [[nodiscard]] spawned_task* search() noexcept;
    /// Ends the search: the worker has found a task, or the pool closes. May wake a worker that continues it.
    void stop() noexcept {
        if (is_searching_) stop_now();
    }
    /// Ends the search of a worker that parks. Returns whether it was searching.
    [[nodiscard]] bool end_to_park() noexcept { return std::exchange(is_searching_, false); }
    /// The worker counts as searching because another thread has notified it. If that was soon after its park, the next
    /// search spins, because the next task will probably arrive before a wake-up would take effect.
    void begin_notified(bool soon) noexcept;
    /// As the watchdog of a stalled worker, takes some of its tasks.
    void take_from_stalled(worker_tasks& stalled) noexcept;

private:
    [[nodiscard]] spawned_task* steal() noexcept;
    [[nodiscard]] spawned_task* steal_child(worker_tasks& victim) noexcept;
    void stop_now() noexcept;

    worker_set& all_;
    worker_tasks& tasks_;
    worker_watch& watch_;
    const unsigned index_;
    random_numbers random_;  // separate from random_here, so that stealing does not change its sequence
    unsigned spins_ = 0;     // how often to check for injected tasks before the next park
    bool is_searching_ = false;
};

}  // namespace eddy::detail
