// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/future/detail/inbound_list.hpp>

#include "executor/task/task_state.hpp"

namespace eddy::detail {

/// A FIFO queue of tasks to poll.
/// Thread safety: used only on the event loop's thread.
/// Lifetime: owns the reference of each task's `notified` bit.
class task_queue : immovable {
public:
    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }
    /// Returns the task that was pushed last, or null if the queue is empty.
    [[nodiscard]] spawned_task* back() const noexcept { return first_ == nullptr ? nullptr : last_; }

    void push(spawned_task& task) noexcept {
        (first_ == nullptr ? first_ : last_->next_queued) = &task;
        last_ = &task;
    }

    /// Removes the oldest task, and returns null if there is none.
    [[nodiscard]] spawned_task* pop() noexcept {
        spawned_task* const next = first_;
        if (next == nullptr) return nullptr;
        if (next == last_) {
            first_ = nullptr;
        } else {
            first_ = next->next_queued;
            fetch_ahead();
        }
        return next;
    }

private:
    /// Prefetches the coroutine frame of the next task and the header of the one after it, while the caller polls the
    /// popped task. Tasks are scattered in memory. Without this, each one would cost two cache misses in sequence.
    void fetch_ahead() const noexcept {
        // The join handle's thread uses the slot of a complete task, which had the root before.
        if ((first_->local & task_flags::complete) == 0) __builtin_prefetch(root_of(*first_));
        if (first_ == last_) return;
        __builtin_prefetch(first_->next_queued, 1);
        __builtin_prefetch(first_->next_queued->root_word());
    }

    spawned_task* first_ = nullptr;
    spawned_task* last_ = nullptr;  // its `next_queued` is not set
};

/// A LIFO queue of tasks to poll.
/// Thread safety and lifetime: as for task_queue.
class task_stack {
public:
    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }

    void push(spawned_task& task) noexcept {
        task.next_queued = first_;
        first_ = &task;
    }

    /// Removes the newest task, and returns null if there is none.
    [[nodiscard]] spawned_task* pop() noexcept {
        return first_ == nullptr ? nullptr : std::exchange(first_, first_->next_queued);
    }

private:
    spawned_task* first_ = nullptr;
};

/// The queued tasks of an event loop.
///
///     queue          tasks                                                        polled
///     run queue      those that were spawned or woken                             oldest first
///     child queue    children of scopes, and parents whose scopes have ended      newest first
///     inbound list   those that other threads have sent; then they are `arrived`  once the loop has taken them over
///
/// Thread safety: send() and has_inbound() on any thread, everything else on the event loop's thread.
class loop_queues : immovable {
public:
    using inbound_tasks = inbound_list<spawned_task, &spawned_task::next_inbound>;

    [[nodiscard]] bool is_empty() const noexcept {
        return run_.is_empty() && children_.is_empty() && arrived_ == nullptr;
    }
    void push(spawned_task& task) noexcept { run_.push(task); }
    void push_child(spawned_task& task) noexcept { children_.push(task); }

    /// Removes the next task to poll; returns null if there is none. Alternates between the two queues. Otherwise
    /// children that start more children (newest first) would overtake all tasks that were queued before.
    [[nodiscard]] spawned_task* pop() noexcept {
        if (children_.is_empty()) return run_.pop();
        const bool takes_child = run_.is_empty() || ++child_streak_ % child_fairness != 0;
        return takes_child ? children_.pop() : run_.pop();
    }
    /// Removes the oldest task of the run queue.
    /// Preconditions: there is one.
    [[nodiscard]] spawned_task& pop_oldest() noexcept { return *run_.pop(); }
    /// Moves the child queue to the end of the run queue. Returns the last task of that; null if there is none.
    [[nodiscard]] const spawned_task* join_queues() noexcept {
        while (spawned_task* const child = children_.pop()) run_.push(*child);
        return run_.back();
    }

    // ---- What other threads send ----
    [[nodiscard]] inbound_tasks::pushed send(spawned_task& task) noexcept { return inbound_.push(task); }
    [[nodiscard]] bool has_inbound() noexcept { return inbound_.has_nodes(); }
    /// Makes the next send() return owner_is_parked. Returns false, without effect, if tasks have been sent.
    [[nodiscard]] bool mark_parked() noexcept { return inbound_.mark_parked(); }

protected:
    ~loop_queues() = default;

    /// Takes what other threads have sent, unless tasks of an earlier call are left.
    void take_inbound() noexcept {
        if (arrived_ == nullptr) arrived_ = inbound_.take();
    }
    /// Removes the oldest task that take_inbound() has taken; returns null if there is none.
    [[nodiscard]] spawned_task* pop_arrived() noexcept {
        return arrived_ == nullptr ? nullptr : std::exchange(arrived_, arrived_->next_inbound);
    }
    [[nodiscard]] bool has_arrived() const noexcept { return arrived_ != nullptr; }
    /// Refuses what is sent from now on. Returns what was sent before, linked by next_inbound.
    [[nodiscard]] spawned_task* refuse_inbound() noexcept { return inbound_.close(); }

private:
    // While both queues hold tasks, one of this many polls takes one from the run queue, the others from the child
    // queue.
    static constexpr unsigned child_fairness = 2;

    inbound_tasks inbound_;
    spawned_task* arrived_ = nullptr;
    task_queue run_;
    task_stack children_;
    unsigned child_streak_ = 0;
};

}  // namespace eddy::detail
