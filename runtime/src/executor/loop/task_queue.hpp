// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "executor/task/registry.hpp"
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

/// A list of the tasks of a loop whose futures exist: task_list without a lock.
/// Thread safety: used only on the event loop's thread.
/// Lifetime: owns one reference to each of its tasks.
class live_list : immovable {
public:
    [[nodiscard]] spawned_task* front() const noexcept { return task_at(ring_.next); }
    [[nodiscard]] spawned_task* after(const spawned_task& task) const noexcept { return task_at(task.next); }
    [[nodiscard]] std::size_t size() const noexcept { return added_ - removed_; }
    [[nodiscard]] listed_ring ring() const noexcept { return {&ring_, &added_, &removed_}; }
    /// Returns whether the task is, or was, in the list.
    [[nodiscard]] static bool was_added(const spawned_task& task) noexcept { return task.next != nullptr; }

    void push(spawned_task& task) noexcept {
        task.previous = &ring_;
        task.next = ring_.next;
        ring_.next = ring_.next->previous = &task;
        count(added_);
    }

    /// Removes a task that has ended. Returns whether it was in the list; the caller then owns the list's reference.
    [[nodiscard]] bool remove(spawned_task& task) noexcept {
        if (task.previous == nullptr) return false;
        task.previous->next = task.next;
        task.next->previous = std::exchange(task.previous, nullptr);
        count(removed_);
        return true;
    }

private:
    /// Adds one to a counter, after the stores to the ring, for readers of the program's memory. The compiler keeps
    /// this order, and so do x86 processors. Others may not: there a reader may see a list that has another number of
    /// tasks than the counters say, and reads it again. A store with memory_order_release would cost two instructions.
    static void count(std::uint64_t& counter) noexcept {
        std::atomic_signal_fence(std::memory_order_release);
        ++counter;
    }
    // SAFETY: all other links of the ring are spawned tasks.
    [[nodiscard]] spawned_task* task_at(task_link* link) const noexcept {
        return link == &ring_ ? nullptr : static_cast<spawned_task*>(link);
    }

    task_link ring_{&ring_, &ring_};
    std::uint64_t added_ = 0;
    std::uint64_t removed_ = 0;
};

}  // namespace eddy::detail
