// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/virtual_stack.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/task_local.hpp>

#include "executor/task/owner_guard.hpp"
#include "executor/task/task_state.hpp"
#include "future/advance_root.hpp"
#include "future/asked_of_tasks.hpp"

// The functions that run, cancel, destroy and complete a task: the transitions of task_state, and the work that each
// one requires. All executors share them. The first argument is a policy, which contains the differences. Forced
// inlining saves 2 % of the instructions of a spawn and join on the pool. What wakers and handles do is in
// run_task.cpp.
//
//     Runs, which polls tasks (worker, local_tasks, loop_run)
//         poll_end poll(spawned_task&)         polls once, with a waker and a budget; calls poll_once() or
//                                              poll_work(), which destroy a future that has ended
//         void queue_again(spawned_task&)      queues a task that was woken during its poll, with its reference
//         bool destroys_cancelled()            whether cancelled tasks are destroyed without poll_cancel()
//         Owner& owner()
//     Owner, which knows all tasks (pool, local_tasks, core_shared, blocking work)
//         void complete(spawned_task&, std::uint64_t references)    calls complete_task()
//         bool remove(spawned_task&)           removes a task that has ended from the list of tasks. Returns whether it
//                                              was there: the caller then owns the list's reference
//         void report(unread_failure, const std::source_location&, std::string_view name)
//     Both
//         word                                 the word by which it changes the states of its tasks

namespace eddy::detail {

/// The vtable of wakers of tasks. `data` is the task, of which each waker has a reference.
extern const waker_vtable spawned_task_waker;

/// Gives up `count` references. Frees the memory with the last one.
void release(spawned_task& task, std::uint64_t count = 1) noexcept;

// ---- Polling ----

/// Polls a future that is not a coroutine. Returns whether it has ended. An exception becomes the task's outcome.
[[nodiscard]] inline bool poll_future(spawned_task& task, context& cx) noexcept {
    try {
        return task.ops().poll(task, cx);
    } catch (...) {
        task.ops().fail(task, std::current_exception());
        return true;
    }
}

/// Polls the cancellation of a future. Returns whether the future can be destroyed.
[[nodiscard]] inline bool poll_cancel(spawned_task& task, context& cx) noexcept {
    try {
        if (task.ops().poll_cancel != nullptr) return task.ops().poll_cancel(task, cx);
        return cancel_root(root_of(task), cx);
    } catch (...) {
        return true;  // no graceful end is possible; the caller destroys the future
    }
}

/// The result of a task's poll.
enum class poll_end : unsigned char {
    waits,
    woke_itself,  ///< waits, and the poll itself has woken the task; the task's state word does not record this wake-up
    has_ended,
};

/// Marks a task as being polled or destroyed on this thread. Objects nest: a task can destroy other tasks in its poll.
/// An object may mark one task after the other.
/// Lifetime: lives on the stack, during the poll or the polls.
/// Thread safety: one thread.
class polled_task : immovable {
public:
    /// Marks no task yet.
    polled_task() noexcept : outer_(std::exchange(this_thread.polled, this)) {}
    explicit polled_task(const spawned_task& task) noexcept : polled_task() { task_ = &task; }
    ~polled_task() { this_thread.polled = outer_; }

    /// Marks another task, or none if `task` is null.
    void mark(const spawned_task* task) noexcept { task_ = task; }

    /// Returns the innermost task. Null outside of tasks.
    [[nodiscard]] static const spawned_task* here() noexcept {
        const polled_task* one = this_thread.polled;
        while (one != nullptr && one->task_ == nullptr) one = one->outer_;
        return one == nullptr ? nullptr : one->task_;
    }

    /// Ends the program with `text`, and with the location at which here() was spawned.
    [[noreturn]] static void fatal_misuse_here(const char* text) {
        const spawned_task* const task = here();
        if (task == nullptr) fatal_misuse(text);
        fatal_misuse(std::string(text) + ". The task was spawned", task->spawned_at);
    }

    /// Returns the outermost task, or null if there is none.
    [[nodiscard]] static const spawned_task* outermost() noexcept {
        const spawned_task* last = nullptr;
        for (const polled_task* one = this_thread.polled; one != nullptr; one = one->outer_) {
            if (one->task_ != nullptr) last = one->task_;
        }
        return last;
    }

    /// Returns whether `task` is being polled or destroyed on this thread.
    [[nodiscard]] static bool is_here(const spawned_task& task) noexcept {
        for (const polled_task* one = this_thread.polled; one != nullptr; one = one->outer_) {
            if (one->task_ == &task) return true;
        }
        return false;
    }

    /// Records a wake-up of `task` on this thread if it is the innermost polled task. Returns whether it is. The code
    /// that polls it then sees the mark in end(), so the wake-up need not change the shared word of the task. Not
    /// called for a local word, whose changes cost less than this.
    [[nodiscard]] static bool wakes_itself(const spawned_task& task) noexcept {
        const polled_task* const innermost = this_thread.polled;
        if (innermost == nullptr || innermost->task_ != &task) return false;
        innermost->has_woken_itself_ = true;
        return true;
    }
    /// Returns the result of the poll, with the wake-ups that wakes_itself() has recorded.
    [[nodiscard]] poll_end end(bool has_ended) const noexcept {
        if (has_ended) return poll_end::has_ended;
        return has_woken_itself_ ? poll_end::woke_itself : poll_end::waits;
    }

private:
    friend class poll_reader;

    // The watchdog of stalls reads these two from another thread.
    const spawned_task* task_ = nullptr;
    const polled_task* const outer_;
    mutable bool has_woken_itself_ = false;  // mutable: the objects are declared const
};

/// Returns the innermost task of this thread, if it has a number, else null. The main future of an event loop has none.
[[nodiscard]] const spawned_task* numbered_task_here() noexcept;

/// Polls the future, or the coroutine's frames. Returns whether it has ended; then it is destroyed.
/// An exception becomes the task's outcome.
/// Preconditions: the task is marked as polled, because the destructor is a part of the poll. Here and below: the
/// caller has the task's running bit, and `cx` has the task's waker.
[[gnu::always_inline]] inline bool poll_work(spawned_task& task, context& cx) noexcept {
    frame* const root = root_of(task);
    const bool has_ended = root != nullptr ? advance_root(*root, cx) : poll_future(task, cx);
    if (has_ended) task.ops().destroy_future(task);
    return has_ended;
}

/// Same as poll_work(), and marks the task as polled meanwhile.
[[gnu::always_inline]] inline poll_end poll_once(spawned_task& task, context& cx) noexcept {
    const polled_task here(task);
    return here.end(poll_work(task, cx));
}

/// Destroys an output that no join handle takes, and reports its failure.
template <class Owner>
[[gnu::noinline]] void drop_output(Owner& owner, spawned_task& task) noexcept {
    if (auto failure = task.ops().drop_output(task))
        owner.report(std::move(failure), task.spawned_at, task.ops().name(task));
}

/// Ends a task: passes the output to the join handle or drops it. Releases `references` references, and the list's if
/// the task was listed.
/// Preconditions: the future is destroyed.
template <class Owner>
[[gnu::always_inline]] inline void complete_task(Owner& owner, spawned_task& task, std::uint64_t references) noexcept {
    task_state<typename Owner::word> state(task);
    const bool has_output = state.has_join_interest();
    if (!has_output) drop_output(owner, task);
    if (owner.remove(task)) ++references;
    // A task without a join handle usually ends here: a load instead of a read-modify-write.
    if (!has_output && state.owns_all_references(references)) return task.ops().free_memory(task);
    switch (state.transition_to_complete(references, has_output)) {
    case task_flags::end_action::none: return;
    case task_flags::end_action::free: return task.ops().free_memory(task);
    case task_flags::end_action::drop_output: drop_output(owner, task); return release(task, references);
    case task_flags::end_action::wake_joiner: {
        // SAFETY: the completed task had the join_waker bit, so the field belongs to this thread.
        waker joiner = std::move(task.join_waker);
        // By the shared word, which is the only one of a complete task.
        if (state_of(task).release(references)) task.ops().free_memory(task);
        return std::move(joiner).wake();
    }
    }
}

/// Destroys the future and completes the task as cancelled. Releases references like complete_task().
template <class Owner>
void destroy_task(Owner& owner, spawned_task& task, std::uint64_t references) noexcept {
    {
        const polled_task here(task);
        const hidden_task_locals unbound;  // this thread may be inside the poll of another task
        if (root_of(task) != nullptr) destroy_root(*std::exchange(root_of(task), nullptr));
        task.ops().destroy_future(task);
    }
    task.ops().fail(task, nullptr);
    owner.complete(task, references);
}

/// Consumes a queue's reference to a task that will not run. Destroys the task if that has not happened yet.
/// Preconditions: none. The caller need not have the running bit.
template <class Owner>
void give_up_task(Owner& owner, spawned_task& task) noexcept {
    switch (task_state<typename Owner::word>(task).transition_to_running()) {
    case task_flags::run_action::poll:
    case task_flags::run_action::cancel: return destroy_task(owner, task, 1);
    case task_flags::run_action::drop_reference: return;
    case task_flags::run_action::free: return task.ops().free_memory(task);
    }
}

/// Polls the cancellation of a task, and destroys the task when the cancellation has finished.
/// Preconditions: the task is marked as cancelled.
template <class Runs>
[[gnu::noinline]] void cancel_task(Runs& runs, spawned_task& task) noexcept {
    if (!runs.destroys_cancelled()) {
        // SAFETY: the caller holds a reference to the task during the poll, so the borrowed waker needs none.
        const borrowed_waker waker(&spawned_task_waker, &task);
        context cx(waker.get());
        const poll_end ended = [&] {
            const polled_task here(task);
            return here.end(poll_cancel(task, cx));
        }();
        if (ended != poll_end::has_ended) {
            task_state<typename Runs::word> state(task);
            const auto next = state.transition_to_idle(ended == poll_end::woke_itself, true);
            if (next == task_flags::idle_action::submit) runs.queue_again(task);
            return;
        }
    }
    destroy_task(runs.owner(), task, 1);
}

/// Runs a task that was taken from a queue, with the queue's reference.
/// Preconditions: none. The caller need not have the running bit.
// Always inlined: what `runs` keeps for many polls stays in registers.
template <class Runs>
[[gnu::always_inline]] inline void run_task(Runs& runs, spawned_task& task) noexcept {
    task_state<typename Runs::word> state(task);
    switch (state.transition_to_running()) {
    case task_flags::run_action::poll: break;
    case task_flags::run_action::cancel: return cancel_task(runs, task);
    case task_flags::run_action::drop_reference: return;
    case task_flags::run_action::free: return task.ops().free_memory(task);
    }
    const poll_end ended = runs.poll(task);
    if (ended == poll_end::has_ended) return runs.owner().complete(task, 1);
    switch (state.transition_to_idle(ended == poll_end::woke_itself)) {
    case task_flags::idle_action::none: return;
    case task_flags::idle_action::cancel: return cancel_task(runs, task);
    case task_flags::idle_action::submit: return runs.queue_again(task);
    }
}

/// Aborts several tasks: add() marks each task under the lock of the list that contains it, and the destructor queues
/// them after the lock is released. It does not allocate: a task that must be queued is in no queue yet, so
/// `next_queued` can link the batch.
class abort_batch {
public:
    /// Queues the tasks that must run in order to be cancelled.
    ~abort_batch();

    /// Marks `task` as cancelled. Runs no user code.
    /// Preconditions: the caller keeps the task alive.
    void add(spawned_task& task) noexcept;

private:
    const owner_guard guard_;
    spawned_task* first_ = nullptr;
};

}  // namespace eddy::detail
