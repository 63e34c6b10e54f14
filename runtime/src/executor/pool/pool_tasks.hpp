// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include <eddy/future/future.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/task/registry.hpp"
#include "executor/task/task_list.hpp"
#include "executor/task/task_state.hpp"

namespace eddy::detail {

/// All tasks of a pool and its blocking work, from spawn to end: the lists in which a shutdown and readers of the
/// program's memory find them. Each worker has a list, and other threads use some in rotation, so that threads rarely
/// contend for a list.
/// Thread safety: any thread.
class pool_tasks : immovable {
public:
    static constexpr unsigned lists_for_others = 8;

    /// `id` is the number of the pool.
    pool_tasks(std::uint64_t id, unsigned workers);

    /// Chooses the list of a new task: the list of the worker that spawns it, or one for other threads.
    static void choose_list_of_worker(spawned_task& task, unsigned worker) noexcept {
        task.add_constant(worker * task_flags::list_one);
    }
    void choose_list_for_others(spawned_task& task) const noexcept {
        task.add_constant((workers_ + task.id % lists_for_others) * task_flags::list_one);
    }
    /// Adds the task to its list, under the list's spin lock. Returns false if the lists are closed.
    [[nodiscard]] bool add(spawned_task& task) noexcept { return list_of(task).add(task); }
    /// Removes a task that has ended. Returns whether it was there: the caller then owns the list's reference.
    [[nodiscard]] bool remove(spawned_task& task) noexcept { return list_of(task).remove(task); }
    /// Makes later calls of add() fail.
    void close() noexcept;
    /// Aborts all tasks.
    void abort_all() noexcept;
    /// Destroys the tasks of a closing pool that no other thread polls.
    void destroy_all(executor& owner) noexcept;

    /// Lets readers of the program's memory see the metrics of the pool, which is complete now.
    void show_metrics(executor& owner) noexcept { listed_.show_metrics_of(owner); }

    [[nodiscard]] std::span<task_list> lists() const noexcept { return {lists_.get(), workers_ + lists_for_others}; }
    // The list of blocking work that has not ended. It is never closed.
    void add_blocking(spawned_task& task) noexcept { static_cast<void>(blocking_.add(task)); }
    [[nodiscard]] bool remove_blocking(spawned_task& task) noexcept { return blocking_.remove(task); }

private:
    [[nodiscard]] task_list& list_of(spawned_task& task) const noexcept { return lists_[state_of(task).list()]; }

    const unsigned workers_;
    const std::unique_ptr<task_list[]> lists_;
    task_list blocking_;
    listed_executor listed_;
    listed_executor listed_blocking_;
};

}  // namespace eddy::detail
