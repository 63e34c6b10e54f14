// SPDX-License-Identifier: MIT
#include "executor/loop/loop_tasks.hpp"

#include <utility>

#include "executor/loop/core_shared.hpp"
#include "executor/task/run_task.hpp"

namespace eddy::detail {

loop_tasks::loop_tasks(core_shared& loop, loop_view& view)
    : loop_(loop), view_(view), listed_(inspect::executor_kind::loop, view.id, live_.ring()) {
    listed_.show_metrics_of(loop);
}

// ---- Start and wake ----

/// The part of enlist() for the first spawn after a driver tick, for all that are made while the loop does not run, and
/// for a loop that is observed or cancels all tasks.
[[gnu::cold]] void loop_tasks::look_at_spawn(spawned_task& task) noexcept {
    spawn_time_ = spawn_time::now();
    looks_at_spawns_ = is_observed_ || is_ending_ || !loop_.is_running();
    if (is_ending_) task.local |= task_flags::cancelled;
    if (view_.log.is_on()) view_.log.note_spawn(task);
    if (view_.observes != nullptr) view_.observes->note_spawn(task);
}

void loop_tasks::wake_scope_parent(waker&& parent) noexcept {
    woken_ |= are_children;
    std::move(parent).wake();
    woken_ &= are_noted;
}

/// The part of schedule_here() for a loop whose log is on, or that measures its tasks.
[[gnu::cold, gnu::noinline]] void loop_tasks::note_woken(spawned_task& task) noexcept {
    view_.log.note(trace::event_kind::wake, number_in_log(task));
    if (view_.observes != nullptr) view_.observes->note_woken(task);
    (woken_ & are_children) != 0 ? queues_.children().push(task) : queues_.run().push(task);
}

void loop_tasks::drain_inbound(std::size_t most) noexcept {
    queues_.take_inbound();
    for (; most != 0; --most) {
        spawned_task* const task = queues_.pop_arrived();
        if (task == nullptr) return;
        arrive(*task);
    }
}

void loop_tasks::drain_all_inbound() noexcept {
    constexpr std::size_t no_limit = -1;
    if (queues_.has_arrived()) drain_inbound(no_limit);
    drain_inbound(no_limit);
}

void loop_tasks::close_inbound() noexcept {
    drain_all_inbound();
    for (spawned_task* task = queues_.inbound().close(); task != nullptr;)
        arrive(*std::exchange(task, task->next_inbound));
}

/// Takes over a new task, and moves what other threads have recorded in the shared word of a task to its local word: a
/// wake-up, an abort, or both.
/// The inbound list's reference ends.
void loop_tasks::arrive(spawned_task& task) noexcept {
    if (!live_list::was_added(task)) enlist(task);
    const std::uint64_t sent = state_of(task).take_from_inbound();
    if (is_local(task)) {
        auto state = local_state_of(task);
        auto action = task_flags::wake_action::none;
        if ((sent & task_flags::cancelled) != 0) action = state.transition_to_cancelled();
        // The bit stays in the shared word, so it may come from an earlier abort, or both were sent.
        if (action == task_flags::wake_action::none) action = state.wake_by_ref();
        if (action == task_flags::wake_action::submit) {
            if (is_observed_) view_.log.note(trace::event_kind::wake, number_in_log(task));
            queues_.run().push(task);
        }
    }
    detail::release(task);
}

// ---- Observation ----

void loop_tasks::update_observed() noexcept {
    const bool is_logged = view_.log.is_on();
    is_observed_ = view_.observes != nullptr || is_logged;
    looks_at_spawns_ = true;
    if (!is_observed_ && woken_ == 0) return;
    const bool measures_wakes = view_.observes != nullptr && view_.observes->accounts != nullptr;
    woken_ = is_logged || measures_wakes ? woken_ | are_noted : woken_ & are_children;
}

// ---- The end ----

void loop_tasks::cancel_all() noexcept {
    is_ending_ = true;
    for (spawned_task* task = live_.front(); task != nullptr; task = live_.after(*task)) {
        if (local_state_of(*task).transition_to_cancelled() == task_flags::wake_action::submit) loop_.schedule(*task);
    }
}

void loop_tasks::destroy_listed(spawned_task& task) noexcept {
    auto state = local_state_of(task);
    state.add_reference();  // see task_flags
    EDDY_ASSERT(state.transition_to_shutdown(), "core: a task is destroyed during its poll");
    loop_.destroy(task, 1);
}

void loop_tasks::destroy_all() noexcept {
    while (spawned_task* const task = live_.front()) destroy_listed(*task);
    while (spawned_task* const task = queues_.pop()) give_up_task(loop_, *task);  // all queued tasks are complete
}

}  // namespace eddy::detail
