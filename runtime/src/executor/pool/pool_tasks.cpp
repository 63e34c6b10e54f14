// SPDX-License-Identifier: MIT
#include "executor/pool/pool_tasks.hpp"

#include "executor/task/run_task.hpp"

namespace eddy::detail {

pool_tasks::pool_tasks(std::uint64_t id, unsigned workers)
    : workers_(workers),
      lists_(std::make_unique<task_list[]>(workers + lists_for_others)),
      listed_(inspect::executor_kind::pool, id, lists_[0].ring(), workers + lists_for_others, sizeof(task_list)),
      listed_blocking_(inspect::executor_kind::blocking, id, blocking_.ring()) {}

void pool_tasks::close() noexcept {
    for (task_list& each : lists()) each.close();
}

void pool_tasks::abort_all() noexcept {
    for (task_list& each : lists()) {
        abort_batch tasks;  // its destructor queues the tasks, after the list's lock is released
        each.for_each([&](spawned_task& task) { tasks.add(task); });
    }
}

void pool_tasks::destroy_all(executor& owner) noexcept {
    for (task_list& each : lists()) {
        while (spawned_task* const task = each.pop()) {
            if (state_of(*task).transition_to_shutdown()) {
                owner.destroy(*task, 1);
            } else {
                release(*task);  // the worker that polls it sees `cancelled` and destroys it
            }
        }
    }
}

}  // namespace eddy::detail
