// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/detail/spin_lock.hpp>

namespace eddy::detail {

/// A part of all tasks of a pool whose futures exist: for shutdown, which destroys them, and for counting. Each worker
/// has one, so that spawning does not contend. Any thread.
class alignas(128) task_list {
public:
    /// Takes the task in, with the reference that is the list's. False if the list is closed.
    [[nodiscard]] bool add(spawned_task& task) noexcept {
        const std::lock_guard guard(lock_);
        if (is_closed_) return false;
        task.previous_owned = nullptr;
        task.next_owned = first_;
        if (first_ != nullptr) first_->previous_owned = &task;
        first_ = &task;
        task.is_owned = true;
        count(spawned_);
        if (!task.is_background) count(foreground_spawned_);
        return true;
    }

    /// The task has ended. Whether it was here: then the list's reference is the caller's to give up.
    bool remove(spawned_task& task) noexcept {
        const std::lock_guard guard(lock_);
        if (!task.is_owned) return false;
        take_out(task);
        return true;
    }

    /// Takes no more tasks from here on.
    void close() noexcept {
        const std::lock_guard guard(lock_);
        is_closed_ = true;
    }

    /// Orders the caller after all changes before, and before all later ones.
    void synchronise() noexcept { const std::lock_guard guard(lock_); }

    /// Takes some task out, and the list's reference with it; null if there is none.
    [[nodiscard]] spawned_task* pop() noexcept {
        const std::lock_guard guard(lock_);
        if (first_ == nullptr) return nullptr;
        spawned_task& task = *first_;
        take_out(task);
        return &task;
    }

    /// Calls `visit` for each task, under the lock: it must not call anything that could come back here.
    template <class Visit>
    void for_each(Visit visit) noexcept {
        const std::lock_guard guard(lock_);
        for (spawned_task* task = first_; task != nullptr; task = task->next_owned) visit(*task);
    }

    // Statistics. acquire, and release where they are written: for is_idle() in pool.cpp, which reads those that ended
    // first.
    [[nodiscard]] std::uint64_t spawned() const noexcept { return spawned_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t ended() const noexcept { return ended_.load(std::memory_order_acquire); }
    [[nodiscard]] std::uint64_t foreground_spawned() const noexcept {
        return foreground_spawned_.load(std::memory_order_acquire);
    }
    [[nodiscard]] std::uint64_t foreground_ended() const noexcept {
        return foreground_ended_.load(std::memory_order_acquire);
    }

private:
    // Written under the lock only.
    static void count(atomic<std::uint64_t>& counter) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    void take_out(spawned_task& task) noexcept {
        (task.previous_owned != nullptr ? task.previous_owned->next_owned : first_) = task.next_owned;
        if (task.next_owned != nullptr) task.next_owned->previous_owned = task.previous_owned;
        task.is_owned = false;
        count(ended_);
        if (!task.is_background) count(foreground_ended_);
    }

    spin_lock lock_;
    bool is_closed_ = false;
    spawned_task* first_ = nullptr;
    atomic<std::uint64_t> spawned_{0};
    atomic<std::uint64_t> ended_{0};
    atomic<std::uint64_t> foreground_spawned_{0};
    atomic<std::uint64_t> foreground_ended_{0};
};

}  // namespace eddy::detail
