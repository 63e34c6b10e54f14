// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/detail/random.hpp>
#include <eddy/future/future.hpp>
#include <eddy/task/detail/spawned_task.hpp>

namespace eddy::detail {

class worker;

/// The search of a worker for tasks of other workers. While it searches, the others wake no further worker
/// (idle_workers).
/// Thread safety: the thread that runs the worker.
class task_search : immovable {
public:
    task_search(worker& own, std::uint64_t seed) noexcept : own_(own), random_(seed) {}

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
    void take_from_stalled(worker& stalled) noexcept;

private:
    [[nodiscard]] spawned_task* steal() noexcept;
    [[nodiscard]] spawned_task* steal_child(worker& victim) noexcept;
    void note_steals(std::size_t count, const spawned_task& task, const worker& victim) noexcept;
    void stop_now() noexcept;

    worker& own_;
    random_numbers random_;  // separate from random_here, so that stealing does not change its sequence
    unsigned spins_ = 0;     // how often to check for injected tasks before the next park
    bool is_searching_ = false;
};

}  // namespace eddy::detail
