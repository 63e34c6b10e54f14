// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <eddy/detail/core_task.hpp>

namespace eddy::detail {

/// The tasks of a loop that are to be polled, first in, first out. For the loop's thread.
class task_queue {
public:
    task_queue() noexcept = default;
    task_queue(const task_queue&) = delete;
    task_queue& operator=(const task_queue&) = delete;

    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }
    /// The task that was pushed last; null if the queue is empty.
    [[nodiscard]] core_task* back() const noexcept { return first_ == nullptr ? nullptr : last_; }

    /// Takes in a task that is waiting.
    void push(core_task& task) noexcept {
        task.state = core_task::phase::queued;
        task.next_queued = nullptr;
        (first_ == nullptr ? first_ : last_->next_queued) = &task;
        last_ = &task;
    }

    /// The next task; the queue is not empty. The caller changes its state.
    [[nodiscard]] core_task& pop() noexcept {
        core_task& next = *std::exchange(first_, first_->next_queued);
        if (first_ != nullptr) fetch_ahead();
        return next;
    }

private:
    /// While this task is polled, the frame of the next and the head of the one after come into the cache: tasks lie
    /// all over the memory, and of many that wait each would cost two misses in a row.
    void fetch_ahead() const noexcept {
        __builtin_prefetch(first_->root);
        __builtin_prefetch(first_->next_queued, 1);
    }

    core_task* first_ = nullptr;
    core_task* last_ = nullptr;
};

/// Tasks that are to be polled, last in, first out. For the loop's thread.
class task_stack {
public:
    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }

    /// Takes in a task that is waiting.
    void push(core_task& task) noexcept {
        task.state = core_task::phase::queued;
        task.next_queued = first_;
        first_ = &task;
    }

    [[nodiscard]] core_task& pop() noexcept { return *std::exchange(first_, first_->next_queued); }

private:
    core_task* first_ = nullptr;
};

/// All tasks of a loop whose futures exist. For the loop's thread.
class live_list {
public:
    [[nodiscard]] core_task* front() const noexcept { return first_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    void push(core_task& task) noexcept {
        task.previous_live = nullptr;
        task.next_live = first_;
        if (first_ != nullptr) first_->previous_live = &task;
        first_ = &task;
        ++size_;
    }

    void remove(core_task& task) noexcept {
        (task.previous_live != nullptr ? task.previous_live->next_live : first_) = task.next_live;
        if (task.next_live != nullptr) task.next_live->previous_live = task.previous_live;
        --size_;
    }

private:
    core_task* first_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace eddy::detail
