// SPDX-License-Identifier: MIT
#include "future/asked_of_tasks.hpp"

#include <eddy/future/detail/operation_guard.hpp>

#include "executor/task/run_task.hpp"

namespace eddy::detail {

namespace {

/// Returns the task that a waker wakes; null if it wakes none.
const spawned_task* woken_by(const waker& task) noexcept {
    // SAFETY: a waker with this vtable has a reference to its task.
    return borrowed_waker::is_of(spawned_task_waker, task)
               ? static_cast<const spawned_task*>(borrowed_waker::data_of(task))
               : nullptr;
}

bool has_flag(const spawned_task* task, std::uint64_t flag) noexcept {
    if (task == nullptr) return false;
    // relaxed: nothing is read through it. A thread that has aborted the task sees its own change.
    const auto all = task->state.load(std::memory_order_relaxed) | (is_local(*task) ? task->local : 0);
    return (all & flag) != 0;
}

}  // namespace

bool wakes_aborted_task(const waker& task) noexcept { return has_flag(woken_by(task), task_flags::cancelled); }

bool gives_way(const waker& task, bool is_of_cleanup, aborted_tasks which) noexcept {
    const spawned_task* const woken = woken_by(task);
    if (has_flag(woken, task_flags::complete)) return true;
    return !is_of_cleanup && has_flag(woken, task_flags::cancelled) &&
           (which == aborted_tasks::all || is_local(*woken));
}

std::uint64_t task_id_here() noexcept {
    const spawned_task* const here = polled_task::here();
    return here == nullptr ? 0 : here->id;
}

}  // namespace eddy::detail
