// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <mutex>
#include <source_location>
#include <string_view>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

#include "executor/task/run_task.hpp"
#include "explore/explore.hpp"

namespace explore {

/// The action of the executor after a task has woken itself during its poll. The state word does not record this wake.
enum class own_wake {
    is_passed_on,
    is_forgotten,   // wrong
    queues_itself,  // wrong: the task may be in the queue already
};

/// A minimal executor for models of one spawned task: it runs tasks by run_task.hpp, as a worker does, and has a queue
/// with a lock.
class small_executor final : public eddy::detail::spawned_task_owner {
    using context = eddy::context;
    using poll_end = eddy::detail::poll_end;
    using spawned_task = eddy::detail::spawned_task;

public:
    using word = eddy::detail::shared_word;  // of run_task.hpp

    explicit small_executor(own_wake how = own_wake::is_passed_on) noexcept : own_wake_(how) {}

    void adopt(spawned_task& task) noexcept override { schedule(task); }
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
        if (!remove(task)) return;
        if (state_of(task).transition_to_shutdown()) {
            destroy_task(*this, task, 1);
        } else {
            eddy::detail::release(task);
        }
    }
    void give_up_queue() {
        while (spawned_task* const task = take()) give_up_task(*this, *task);
    }

    spawned_task* take() {
        const std::lock_guard guard(lock_);
        spawned_task* const task = first_;
        if (task != nullptr) first_ = task->next_queued;
        return task;
    }

    void run_task(spawned_task& task) { eddy::detail::run_task(*this, task); }

    // ---- The policy of run_task.hpp ----

    poll_end poll(spawned_task& task) noexcept {
        // This thread owns the queue's reference while it runs the task, so the waker needs no reference.
        const eddy::detail::borrowed_waker waker(&eddy::detail::spawned_task_waker, &task);
        context cx(waker.get());
        const poll_end ended = poll_once(task, cx);
        if (ended != poll_end::woke_itself || own_wake_ == own_wake::is_passed_on) return ended;
        if (own_wake_ == own_wake::queues_itself) schedule(task);
        return poll_end::waits;
    }
    void queue_again(spawned_task& task) noexcept { schedule(task); }
    [[nodiscard]] static bool destroys_cancelled() noexcept { return false; }
    small_executor& owner() noexcept { return *this; }
    void complete(spawned_task& task, std::uint64_t references) noexcept {
        complete_task(*this, task, references);
        const std::lock_guard guard(lock_);
        has_ended_ = true;
    }
    bool remove(spawned_task&) noexcept {
        const std::lock_guard guard(lock_);
        return std::exchange(is_in_list_, false);
    }
    void report(eddy::detail::unread_failure, const std::source_location&, std::string_view) noexcept override {}

private:
    bool has_ended() {
        const std::lock_guard guard(lock_);
        return has_ended_;
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
    state_of(task).add_reference();
    return {&eddy::detail::spawned_task_waker, &task};
}

/// While an instance exists, all threads of the model count as threads that poll a local set with these tasks, because
/// they share the thread_local that it sets. Otherwise each wake-up would announce itself before it accesses the state
/// word: see OwnerOutlivesWakersOutside.
class all_inside {
public:
    explicit all_inside(small_executor& executor) { eddy::detail::this_thread.polled_local_set = &executor; }
    all_inside(const all_inside&) = delete;
    all_inside& operator=(const all_inside&) = delete;
    ~all_inside() { eddy::detail::this_thread.polled_local_set = nullptr; }
};

}  // namespace explore
