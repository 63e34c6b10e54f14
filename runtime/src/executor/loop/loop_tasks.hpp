// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/future/waker.hpp>

#include "executor/loop/loop_queues.hpp"
#include "executor/task/registry.hpp"
#include "executor/watch/loop_watch.hpp"

namespace eddy::detail {

// Maximum number of polls before an event loop checks its inbound list while tasks are queued, and of tasks that it
// takes over from there at once. run_until_done() also runs a driver tick and fires timers then, if that is due.
inline constexpr std::size_t polls_between_ticks = 64;

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

/// The tasks of an event loop, from their spawn to their end: the list of those that are alive, and the queues.
/// Thread safety: the event loop's thread, except as loop_queues says.
class loop_tasks : public loop_queues {
public:
    /// `watch` must outlive this object.
    explicit loop_tasks(loop_watch& watch) : watch_(watch), listed_(inspect::executor_kind::loop, watch.id(), ring()) {}
    /// See listed_executor::show_metrics_of().
    void show_metrics_of(executor& loop) noexcept { listed_.show_metrics_of(loop); }

    // ---- Those that are alive ----
    [[nodiscard]] std::size_t alive() const noexcept { return live_.size(); }
    [[nodiscard]] spawned_task* newest() const noexcept { return live_.front(); }
    [[nodiscard]] listed_ring ring() const noexcept { return live_.ring(); }

    // ---- Start and wake ----
    // The loop calls the points of the watch. Only tasks that other threads have sent come to it from here: with
    // `watch_`, each spawn and wake-up would load a pointer.
    /// Adds a new task to those that are alive.
    void enlist(spawned_task& task) noexcept {
        if (is_ending_) [[unlikely]]
            task.local |= task_flags::cancelled;
        live_.push(task);
    }
    /// Queues a task that was woken on this thread.
    void schedule_here(spawned_task& task) noexcept { wakes_children_ ? push_child(task) : push(task); }
    /// See executor::wake_scope_parent().
    void wake_scope_parent(waker&& parent) noexcept {
        wakes_children_ = true;
        std::move(parent).wake();
        wakes_children_ = false;
    }

    /// Queues at most `most` tasks that other threads have sent. The others wait for a later call, so that a timer's
    /// task is not queued behind all of them: threads may send faster than the loop polls.
    void drain_inbound(std::size_t most = polls_between_ticks) noexcept;
    /// Queues all tasks that other threads have sent before this call.
    void drain_all_inbound() noexcept;
    /// Takes over what other threads have sent before this call, and refuses what they send later.
    void close_inbound() noexcept;

    // ---- The end ----
    /// Removes a task that has ended. See run_task.hpp.
    [[nodiscard]] bool remove(spawned_task& task) noexcept { return live_.remove(task); }
    /// Cancels all tasks gracefully, and those that are spawned later.
    void cancel_all() noexcept;

private:
    void arrive(spawned_task& task) noexcept;

    loop_watch& watch_;
    bool wakes_children_ = false;
    bool is_ending_ = false;  // cancel_all() was called
    live_list live_;
    listed_executor listed_;  // last: it is destroyed first
};

}  // namespace eddy::detail
