// SPDX-License-Identifier: MIT
#include "executor/loop/loop_tasks.hpp"

#include <utility>

#include "executor/task/run_task.hpp"

namespace eddy::detail {

void loop_tasks::drain_inbound(std::size_t most) noexcept {
    take_inbound();
    for (; most != 0; --most) {
        spawned_task* const task = pop_arrived();
        if (task == nullptr) return;
        arrive(*task);
    }
}

void loop_tasks::drain_all_inbound() noexcept {
    constexpr std::size_t no_limit = -1;
    if (has_arrived()) drain_inbound(no_limit);
    drain_inbound(no_limit);
}

void loop_tasks::close_inbound() noexcept {
    drain_all_inbound();
    for (spawned_task* task = refuse_inbound(); task != nullptr;) arrive(*std::exchange(task, task->next_inbound));
}

/// Takes over a new task, and moves what other threads have recorded in the shared word of a task to its local word: a
/// wake-up, an abort, or both.
/// The inbound list's reference ends.
void loop_tasks::arrive(spawned_task& task) noexcept {
    if (!live_list::was_added(task)) {
        watch_.spawned(task);
        enlist(task);
    }
    const std::uint64_t sent = state_of(task).take_from_inbound();
    if (is_local(task)) {
        auto state = local_state_of(task);
        auto action = task_flags::wake_action::none;
        if ((sent & task_flags::cancelled) != 0) action = state.transition_to_cancelled();
        // The bit stays in the shared word, so it may come from an earlier abort, or both were sent.
        if (action == task_flags::wake_action::none) action = state.wake_by_ref();
        if (action == task_flags::wake_action::submit) {
            watch_.woken_again(task);
            push(task);
        }
    }
    detail::release(task);
}

void loop_tasks::cancel_all() noexcept {
    is_ending_ = true;
    for (spawned_task* task = live_.front(); task != nullptr; task = live_.after(*task)) {
        if (local_state_of(*task).transition_to_cancelled() == task_flags::wake_action::submit) {
            watch_.woken(*task);
            schedule_here(*task);
        }
    }
}

}  // namespace eddy::detail
