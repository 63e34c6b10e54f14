// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <eddy/future/waker.hpp>

#include "executor/loop/loop_queues.hpp"
#include "executor/loop/loop_view.hpp"
#include "executor/task/registry.hpp"
#include "executor/task/spawn_time.hpp"

namespace eddy::detail {

class core_shared;

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
/// loop_poller polls them.
/// Thread safety: the event loop's thread, except queues().inbound().
class loop_tasks : immovable {
public:
    loop_tasks(core_shared& loop, loop_view& view);

    [[nodiscard]] loop_queues& queues() noexcept { return queues_; }
    [[nodiscard]] const live_list& alive() const noexcept { return live_; }

    // ---- Start and wake ----
    /// Adds a new task to those that are alive.
    void enlist(spawned_task& task) noexcept {
        if (looks_at_spawns_) [[unlikely]]
            look_at_spawn(task);
        spawn_time_.store_in(task);
        live_.push(task);
    }
    /// Queues a task that was woken on this thread.
    void schedule_here(spawned_task& task) noexcept {
        if (woken_ == 0) return queues_.run().push(task);
        if (woken_ == are_children) return queues_.children().push(task);
        note_woken(task);
    }
    /// See executor::wake_scope_parent().
    void wake_scope_parent(waker&& parent) noexcept;

    /// Queues at most `most` tasks that other threads have sent. The others wait for a later call, so that a timer's
    /// task is not queued behind all of them: threads may send faster than the loop polls.
    void drain_inbound(std::size_t most = polls_between_ticks) noexcept;
    /// Queues all tasks that other threads have sent before this call.
    void drain_all_inbound() noexcept;
    /// Takes over what other threads have sent before this call, and refuses what they send later.
    void close_inbound() noexcept;

    // ---- Observation ----
    /// Looks whether hooks, measurements or the log want to know what the loop does. Called now and then.
    void update_observed() noexcept;
    [[nodiscard]] bool is_observed() const noexcept { return is_observed_; }
    /// Makes the next enlist() look at the clock: time may have passed.
    void look_at_next_spawn() noexcept { looks_at_spawns_ = true; }

    // ---- The end ----
    /// Removes a task that has ended. See run_task.hpp.
    [[nodiscard, gnu::always_inline]] bool remove(spawned_task& task) noexcept {
        if (view_.observes != nullptr) [[unlikely]]
            view_.observes->note_end(task);
        return live_.remove(task);
    }
    /// Cancels all tasks gracefully, and those that are spawned later.
    void cancel_all() noexcept;
    /// Destroys a task that is not being polled. The caller has no reference.
    void destroy_listed(spawned_task& task) noexcept;
    /// Destroys all tasks of a loop that closes.
    void destroy_all() noexcept;

private:
    void look_at_spawn(spawned_task& task) noexcept;
    void note_woken(spawned_task& task) noexcept;
    void arrive(spawned_task& task) noexcept;

    core_shared& loop_;
    loop_view& view_;
    loop_queues queues_;
    // What to do with woken tasks. One word, because schedule_here() is called often.
    static constexpr std::uint8_t are_children = 1;
    static constexpr std::uint8_t are_noted = 2;
    std::uint8_t woken_ = 0;
    bool is_observed_ = false;
    bool looks_at_spawns_ = true;  // look_at_spawn() must be called: the clock may have advanced, or see there
    bool is_ending_ = false;       // cancel_all() was called
    spawn_time spawn_time_;
    live_list live_;
    listed_executor listed_;  // last: it is destroyed first
};

}  // namespace eddy::detail
