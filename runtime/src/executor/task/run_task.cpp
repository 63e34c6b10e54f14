// SPDX-License-Identifier: MIT
#include "executor/task/run_task.hpp"

#include <functional>
#include <memory>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

#include "executor/task/owner_guard.hpp"
#include "executor/task/uncaught.hpp"

namespace eddy::detail {
namespace {

/// Returns whether the owner of `task` is the pool of this worker, the event loop that runs here, or the local set that
/// is polled on this thread. The owner then outlives this call.
bool is_mine(const spawned_task& task) noexcept {
    return this_thread.runs_here == task.owner || this_thread.polled_local_set == task.owner;
}

// ---- The waker ----

// SAFETY: `data` is the spawned_task of a waker with the vtable below. The waker holds a reference, or borrows the
// reference of the code that polls the task.
spawned_task& task_of(void* data) noexcept { return *static_cast<spawned_task*>(data); }

/// Does what a change of the task's state requires.
[[gnu::always_inline]] inline void submit(task_flags::wake_action action, spawned_task& task) noexcept {
    if (action == task_flags::wake_action::submit) task.owner->schedule(task);
    if (action == task_flags::wake_action::free) task.ops().free_memory(task);
}

struct task_waker {
    static void* clone(void* data) noexcept {
        with_state(task_of(data), [](auto state) { state.add_reference(); });
        return data;
    }
    static void wake_by_ref(void* data) noexcept {
        spawned_task& task = task_of(data);
        if (is_local(task)) return submit(local_state_of(task).wake_by_ref(), task);
        if (is_mine(task)) {
            if (!polled_task::wakes_itself(task)) submit(state_of(task).wake_by_ref(), task);
            return;
        }
        wake_from_elsewhere(task);
    }
    static void wake(void* data) noexcept {
        spawned_task& task = task_of(data);
        if (is_local(task)) return submit(local_state_of(task).wake_and_release(), task);
        if (is_mine(task)) return submit(state_of(task).wake_and_release(), task);
        wake_from_elsewhere_and_release(task);
    }
    static void drop(void* data) noexcept { release(task_of(data)); }

private:
    // Not inlined: the wakes of the own thread, which are most, would save registers for them.
    [[gnu::noinline]] static void wake_from_elsewhere(spawned_task& task) noexcept {
        const owner_guard guard;
        submit(state_of(task).wake_by_ref(), task);
    }
    [[gnu::noinline]] static void wake_from_elsewhere_and_release(spawned_task& task) noexcept {
        const owner_guard guard;
        submit(state_of(task).wake_and_release(), task);
    }
};

/// Returns whether this thread may use the unshared word of a task. The caller has its join handle.
[[gnu::always_inline]] inline bool is_unshared_here(const spawned_task& task) noexcept {
    return is_local(task) && local_word::is_unshared(task);
}

/// The part of drop_join_handle() for a task that other threads may use, or that is complete.
[[gnu::noinline]] void drop_shared_handle(spawned_task& task) noexcept {
    if (!state_of(task).is_complete()) {
        const auto ended = state_of(task).drop_interest();
        if (ended.owns_the_waker) task.join_waker = waker();
        if (!ended.was_complete) return release(task);
    }
    // The output belongs to this handle.
    if (auto failure = task.ops().drop_output(task))
        report_failure(*task.owner, std::move(failure), task.spawned_at, task.ops().name(task));
    release_task(task);
}

}  // namespace

constinit const waker_vtable spawned_task_waker{&task_waker::clone, &task_waker::wake, &task_waker::wake_by_ref,
                                                &task_waker::drop};

void abort_batch::add(spawned_task& task) noexcept {
    if (with_state(task, [](auto state) { return state.transition_to_cancelled(); }) != task_flags::wake_action::submit)
        return;
    // SAFETY: the task was waiting, and `submit` gave this thread the only queue reference. So no other thread uses the
    // link until the destructor has passed the task to its owner.
    task.next_queued = std::exchange(first_, &task);
}

abort_batch::~abort_batch() {
    while (spawned_task* const task = first_) {
        first_ = task->next_queued;
        task->owner->schedule(*task);
    }
}

void release(spawned_task& task, std::uint64_t count) noexcept {
    if (with_state(task, [count](auto state) { return state.release(count); })) task.ops().free_memory(task);
}

// ---- Join handles ----

/// The part of poll_join() for a task that other threads may use.
[[gnu::noinline]] static bool poll_shared_join(spawned_task& task, const waker& wake) {
    // The field is taken back even for a comparison, because the thread that completes the task moves the waker out.
    if (state_of(task).has_join_waker() && !state_of(task).take_join_waker_back()) return true;
    // SAFETY: the join_waker bit is clear and only this handle sets it, so no other thread uses the field.
    task.join_waker = wake;
    if (state_of(task).publish_join_waker()) return false;
    task.join_waker = waker();
    return true;
}

[[noreturn, gnu::cold]] static void throw_joins_itself(std::source_location where) {
    throw misuse(
        "a task awaits its own join handle, which is ready only after the task has ended: await the handle in another "
        "task",
        where);
}

bool poll_join(spawned_task& task, const waker& wake, std::source_location where) {
    if (state_of(task).is_complete()) return true;
    const borrowed_waker own(&spawned_task_waker, &task);
    if (wake.will_wake(own.get())) [[unlikely]]
        throw_joins_itself(where);
    if (!is_unshared_here(task)) return poll_shared_join(task, wake);
    // SAFETY: only this thread could complete the task, so the field belongs to it, whatever the join_waker bit is.
    if (task.join_waker.is_noop() && borrowed_waker::is_of(spawned_task_waker, wake)) {
        // Same as an assignment, without the calls.
        std::construct_at(&task.join_waker, &spawned_task_waker, task_waker::clone(borrowed_waker::data_of(wake)));
        return !task_state<unshared_word>(task).publish_join_waker();
    }
    task.join_waker = wake;
    // The functions of other wakers may be the program's, and may give other threads access.
    const bool waits = is_unshared_here(task) ? task_state<unshared_word>(task).publish_join_waker()
                                              : state_of(task).publish_join_waker();
    return !waits;
}

void drop_join_handle(spawned_task& task) noexcept {
    if (!is_unshared_here(task)) return drop_shared_handle(task);
    if (task_state<unshared_word>(task).drop_interest().owns_the_waker) {
        task.join_waker = waker();  // may run any code, which may end the task
        return release(task);
    }
    static_cast<void>(local_state_of(task).release());  // the list has another reference
}

void abort_task(spawned_task& task) noexcept {
    const owner_guard guard;
    submit(with_state(task, [](auto state) { return state.transition_to_cancelled(); }), task);
}

bool is_task_finished(const spawned_task& task) noexcept {
    // acquire: as in task_state::is_complete().
    return (task.state.load(std::memory_order_acquire) & task_flags::complete) != 0;
}
void add_task_reference(spawned_task& task) noexcept {
    with_state(task, [](auto state) { state.add_reference(); });
}

void release_task(spawned_task& task) noexcept {
    // After a join, the handle usually has the last reference: a load instead of a read-modify-write.
    const auto state = state_of(task);
    if (state.is_complete() && state.owns_all_references(1)) return task.ops().free_memory(task);
    release(task);
}

void take_task_ids(std::uint64_t& id) noexcept {
    static constinit atomic<std::uint64_t> next_block{0};
    // relaxed: the numbers must only be distinct. The first block begins at 1, because 0 means "no task".
    id = next_block.fetch_add(task_ids_at_once, std::memory_order_relaxed) + 1;
    this_thread.next_task_id = id + 1;
}

}  // namespace eddy::detail
