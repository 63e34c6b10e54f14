// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

#include "explore/explore.hpp"
#include "runtime/polled_task.hpp"
#include "runtime/runtime_context.hpp"

namespace explore {

/// What the executor does when a task wakes itself during its poll. The state word does not record this wake.
enum class own_wake {
    is_passed_on,
    is_forgotten,   // wrong
    queues_itself,  // wrong: the task may be in the queue already
};

/// A minimal executor for models of one spawned task: it handles tasks as worker.cpp and pool.cpp do, and has a queue
/// with a lock.
class small_executor final : public eddy::detail::task_owner {
    using context = eddy::context;
    using poll_end = eddy::detail::poll_end;
    using spawned_task = eddy::detail::spawned_task;
    using task_state = eddy::detail::task_state;

public:
    explicit small_executor(own_wake how = own_wake::is_passed_on) noexcept : own_wake_(how) {}

    void schedule(spawned_task& task) noexcept override {
        {
            const std::lock_guard guard(lock_);
            task.next_queued = nullptr;
            (first_ == nullptr ? first_ : last_->next_queued) = &task;
            last_ = &task;
        }
        work_.set();
    }

    /// Runs tasks until the task has ended.
    void run() {
        while (!has_ended()) {
            if (spawned_task* const task = take()) {
                run_task(*task);
            } else {
                work_.wait();
            }
        }
        work_.set();  // for another thread in run()
    }

    /// Shuts down like a pool: destroys the task if it is not running. Call give_up_queue() afterwards.
    void shut_down(spawned_task& task) {
        if (take_out_of_list()) {
            if (task.state.transition_to_shutdown()) {
                destroy(task, 1);
            } else {
                eddy::detail::release(task);
            }
        }
    }
    void give_up_queue() {
        while (spawned_task* const task = take()) {
            switch (task->state.transition_to_running()) {
            case task_state::run_action::poll:
            case task_state::run_action::cancel: destroy(*task, 1); break;
            case task_state::run_action::drop_reference: break;
            case task_state::run_action::free: task->ops().free_memory(*task); break;
            }
        }
    }

    spawned_task* take() {
        const std::lock_guard guard(lock_);
        spawned_task* const task = first_;
        if (task != nullptr) first_ = task->next_queued;
        return task;
    }

    void run_task(spawned_task& task) {
        switch (task.state.transition_to_running()) {
        case task_state::run_action::poll: break;
        case task_state::run_action::cancel: return cancel(task);
        case task_state::run_action::drop_reference: return;
        case task_state::run_action::free: return task.ops().free_memory(task);
        }
        const poll_end ended = poll(task, task.ops().poll);
        if (ended == poll_end::has_ended) {
            task.ops().destroy_future(task);
            return complete(task, 1);
        }
        const bool woke_itself = ended == poll_end::woke_itself;
        const auto action = task.state.transition_to_idle(woke_itself && own_wake_ == own_wake::is_passed_on);
        if (woke_itself && own_wake_ == own_wake::queues_itself) return schedule(task);
        switch (action) {
        case task_state::idle_action::none: return;
        case task_state::idle_action::free: return task.ops().free_memory(task);
        case task_state::idle_action::cancel: return cancel(task);
        case task_state::idle_action::submit: return schedule(task);
        }
    }

private:
    /// Polls with poll or poll_cancel.
    static poll_end poll(spawned_task& task, bool (*how)(spawned_task&, context&)) {
        // This thread owns the queue's reference while it runs the task, so the waker needs no reference.
        const eddy::detail::borrowed_waker waker(&eddy::detail::spawned_task_waker, &task);
        context cx(waker.get());
        const eddy::detail::polled_task here(task);
        return here.end(how(task, cx));
    }

    /// Precondition: the task is running and marked as cancelled.
    void cancel(spawned_task& task) {
        const poll_end ended = poll(task, task.ops().poll_cancel);
        if (ended == poll_end::has_ended) return destroy(task, 1);
        const bool woke_itself = ended == poll_end::woke_itself;
        switch (task.state.transition_to_idle_cancelling(woke_itself && own_wake_ == own_wake::is_passed_on)) {
        case task_state::idle_action::free: return task.ops().free_memory(task);
        case task_state::idle_action::submit: return schedule(task);
        default: return;
        }
    }

    void destroy(spawned_task& task, std::uint64_t references) {
        task.ops().destroy_future(task);
        task.ops().fail(task, nullptr);
        complete(task, references);
    }

    void complete(spawned_task& task, std::uint64_t references) {
        bool has_output = true;
        if (!task.state.has_join_interest()) {
            task.ops().destroy_output(task);
            has_output = false;
        }
        if (take_out_of_list()) ++references;
        switch (task.state.transition_to_complete(references, has_output)) {
        case task_state::end_action::none: break;
        case task_state::end_action::free: task.ops().free_memory(task); break;
        case task_state::end_action::drop_output:
            task.ops().destroy_output(task);
            eddy::detail::release(task, references);
            break;
        case task_state::end_action::wake_joiner: {
            eddy::waker joiner = std::move(task.join_waker);
            eddy::detail::release(task, references);
            std::move(joiner).wake();
            break;
        }
        }
        const std::lock_guard guard(lock_);
        has_ended_ = true;
    }

    bool has_ended() {
        const std::lock_guard guard(lock_);
        return has_ended_;
    }
    bool take_out_of_list() {
        const std::lock_guard guard(lock_);
        return std::exchange(is_in_list_, false);
    }

    const own_wake own_wake_;
    eddy::detail::mutex lock_;
    event work_{false};
    spawned_task* first_ = nullptr;
    spawned_task* last_ = nullptr;
    bool is_in_list_ = true;
    bool has_ended_ = false;
};

/// Returns a new waker of the task.
inline eddy::waker waker_of(eddy::detail::spawned_task& task) {
    task.state.add_reference();
    return {&eddy::detail::spawned_task_waker, &task};
}

/// While it exists, all threads of the model count as threads of the executor, because they share this thread_local.
/// Otherwise each wake-up announces itself before it accesses the state word: see OwnerOutlivesWakersOutside.
class all_inside {
public:
    explicit all_inside(const small_executor& executor) { eddy::detail::this_thread.worker_owner = &executor; }
    all_inside(const all_inside&) = delete;
    all_inside& operator=(const all_inside&) = delete;
    ~all_inside() { eddy::detail::this_thread.worker_owner = nullptr; }
};

}  // namespace explore
