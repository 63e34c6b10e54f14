// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/task/registry.hpp"
#include "executor/task/task_state.hpp"

namespace eddy::detail {

/// A list of tasks whose futures exist. Shutdown destroys the tasks of all lists. The list also counts its tasks. Each
/// worker has a list, so that spawns on different workers do not contend.
/// Thread safety: any thread.
/// Lifetime: the list owns one reference to each of its tasks.
class alignas(128) task_list {
public:
    /// Adds a task and takes over one reference to it. Returns false if the list is closed.
    [[nodiscard]] bool add(spawned_task& task) noexcept {
        const std::lock_guard guard(lock_);
        if (is_closed_) return false;
        task.previous = &ring_;
        task.next = ring_.next;
        ring_.next = ring_.next->previous = &task;
        count(spawned_);
        if (!task_state<shared_word>::is_background(task)) count(foreground_spawned_);
        return true;
    }

    /// Removes a task that has ended. Returns whether it was in the list; the caller then owns the list's reference.
    bool remove(spawned_task& task) noexcept {
        const std::lock_guard guard(lock_);
        if (task.previous == nullptr) return false;
        take_out(task);
        return true;
    }

    /// Returns whether the list is empty.
    /// Preconditions: no other thread changes the list.
    [[nodiscard]] bool is_empty() const noexcept { return ring_.next == &ring_; }

    /// Returns whether the task is, or was, in a list, which no other thread changes meanwhile.
    [[nodiscard]] static bool was_added(const spawned_task& task) noexcept { return task.next != nullptr; }

    /// Makes later calls of add() fail.
    void close() noexcept {
        const std::lock_guard guard(lock_);
        is_closed_ = true;
    }

    /// Takes and releases the lock. Earlier changes of the list happen before the caller's next step, and the caller's
    /// previous steps happen before later changes.
    void synchronize() noexcept { const std::lock_guard guard(lock_); }

    /// Removes some task and passes the list's reference to the caller. Returns null if the list is empty.
    [[nodiscard]] spawned_task* pop() noexcept {
        const std::lock_guard guard(lock_);
        spawned_task* const task = task_at(ring_.next);
        if (task != nullptr) take_out(*task);
        return task;
    }

    /// Calls `visit` with each task under the lock. `visit` must not call this list, not even indirectly.
    template <class Visit>
    void for_each(Visit visit) noexcept {
        const std::lock_guard guard(lock_);
        for (spawned_task* task = task_at(ring_.next); task != nullptr; task = task_at(task->next)) visit(*task);
    }

    [[nodiscard]] listed_ring ring() const noexcept { return {&ring_, &spawned_, &ended_}; }

    // Counters. acquire: pairs with the release in count(). pool_idleness::alive() reads the ended counters first, and
    // must then see the spawn of each task that it has counted as ended.
    [[nodiscard]] std::uint64_t spawned() const noexcept { return spawned_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t ended() const noexcept { return ended_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t foreground_spawned() const noexcept {
        return foreground_spawned_.load(std::memory_order_acquire);
    }
    [[nodiscard]] std::uint64_t foreground_ended() const noexcept {
        return foreground_ended_.load(std::memory_order_acquire);
    }

private:
    /// Adds one to a counter.
    /// Preconditions: lock_ is held.
    static void count(atomic<std::uint64_t>& counter) noexcept {
        // relaxed: written under the lock only. release: pairs with the acquire in the functions above.
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    void take_out(spawned_task& task) noexcept {
        task.previous->next = task.next;
        task.next->previous = task.previous;
        task.previous = nullptr;
        count(ended_);
        if (!task_state<shared_word>::is_background(task)) count(foreground_ended_);
    }

    // SAFETY: all other links of the ring are spawned tasks.
    [[nodiscard]] spawned_task* task_at(task_link* link) const noexcept {
        return link == &ring_ ? nullptr : static_cast<spawned_task*>(link);
    }

    spin_lock lock_;
    bool is_closed_ = false;
    task_link ring_{&ring_, &ring_};  // `previous` is null in a task that is in no list
    atomic<std::uint64_t> spawned_{0};
    atomic<std::uint64_t> ended_{0};
    atomic<std::uint64_t> foreground_spawned_{0};
    atomic<std::uint64_t> foreground_ended_{0};
};

}  // namespace eddy::detail
