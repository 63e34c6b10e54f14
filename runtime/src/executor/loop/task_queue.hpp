// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <eddy/detail/core_task.hpp>

namespace eddy::detail {

/// A FIFO queue of tasks to poll.
/// Thread safety: used only on the event loop's thread.
/// Lifetime: does not own the tasks. A queued task must not be freed.
class task_queue : immovable {
public:
    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }
    /// Returns the oldest task, or null if the queue is empty.
    [[nodiscard]] core_task* front() const noexcept { return first_; }
    /// Returns the task that was pushed last, or null if the queue is empty.
    [[nodiscard]] core_task* back() const noexcept { return first_ == nullptr ? nullptr : last_; }

    /// Appends a task.
    /// Preconditions: the task is in state `queued`, but in no queue.
    void push(core_task& task) noexcept {
        (first_ == nullptr ? first_ : last_->next_queued) = &task;
        last_ = &task;
    }

    /// Removes the oldest task, and returns null if there is none. The caller must change its state.
    [[nodiscard]] core_task* pop() noexcept {
        core_task* const next = first_;
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
        __builtin_prefetch(first_->root);
        if (first_ != last_) __builtin_prefetch(first_->next_queued, 1);
    }

    core_task* first_ = nullptr;
    core_task* last_ = nullptr;  // its `next_queued` is not set
};

/// A LIFO queue of tasks to poll.
/// Thread safety: used only on the event loop's thread.
/// Lifetime: as for task_queue.
class task_stack {
public:
    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }

    /// Adds a task.
    /// Preconditions: as for task_queue::push().
    void push(core_task& task) noexcept {
        task.next_queued = first_;
        first_ = &task;
    }

    /// Removes the newest task, and returns null if there is none. The caller must change its state.
    [[nodiscard]] core_task* pop() noexcept {
        return first_ == nullptr ? nullptr : std::exchange(first_, first_->next_queued);
    }

private:
    core_task* first_ = nullptr;
};

/// A list of the tasks of a loop whose futures exist.
/// Thread safety: used only on the event loop's thread.
class live_list : immovable {
public:
    [[nodiscard]] core_task* front() const noexcept { return task_at(ring_.next); }
    [[nodiscard]] core_task* after(const core_task& task) const noexcept { return task_at(task.next); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    void push(core_task& task) noexcept {
        task.previous = &ring_;
        task.next = ring_.next;
        ring_.next = ring_.next->previous = &task;
        ++size_;
    }

    void remove(core_task& task) noexcept {
        task.previous->next = task.next;
        task.next->previous = task.previous;
        --size_;
    }

private:
    // SAFETY: all other links of the ring are core tasks.
    [[nodiscard]] core_task* task_at(task_link* link) const noexcept {
        return link == &ring_ ? nullptr : static_cast<core_task*>(link);
    }

    task_link ring_{&ring_, &ring_};
    std::size_t size_ = 0;
};

}  // namespace eddy::detail
