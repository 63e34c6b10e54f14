// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>
#include <eddy/task/detail/spawned_task.hpp>

namespace eddy::detail {

/// The LIFO slot of a worker: the task that runs next, while its data is in the cache. Only the worker's thread puts
/// tasks there. The watchdog worker takes the task out if the worker is stalled.
///
/// Tasks that run from the slot one after the other are a streak. Its length is limited, so that the queued tasks are
/// not starved, and its tasks share one coop budget.
/// Thread safety: take() and is_empty() on any thread, other functions on the thread that runs the worker.
class lifo_slot : immovable {
public:
    /// Returns whether the slot is empty. On the worker's thread, an empty slot stays empty.
    [[nodiscard]] bool is_empty() const noexcept {
        // relaxed: the pointer is only compared to null.
        return task_.load(std::memory_order_relaxed) == nullptr;
    }
    /// Puts a task into an empty slot.
    void fill(spawned_task& task) noexcept {
        // release: pairs with the acquire in take(), whose caller reads the task.
        task_.store(&task, std::memory_order_release);
    }
    /// Puts a task into the slot. Returns the former task, or null if the watchdog worker has taken it.
    [[nodiscard]] spawned_task* replace(spawned_task& task) noexcept {
        // An exchange, because the watchdog worker may take the task in between. release: as in fill(). acquire: not
        // needed, because the thread that runs the worker has stored the former task itself.
        return task_.exchange(&task, std::memory_order_release);
    }
    /// Takes the task out. Returns null if the slot is empty.
    [[nodiscard]] spawned_task* take() noexcept {
        // An exchange, because two threads may take the task. acquire: pairs with the release in fill() and replace().
        return task_.exchange(nullptr, std::memory_order_acquire);
    }

    /// Counts a task that was taken. Returns false if it exceeds the limit of the streak: it must be queued then.
    [[nodiscard]] bool continue_streak() noexcept {
        if (streak_ >= longest_streak || (streak_ != 0 && budget_left_ == 0)) return false;
        ++streak_;
        return true;
    }
    void end_streak() noexcept { streak_ = 0; }
    /// Returns the coop budget for the next poll.
    [[nodiscard]] std::uint32_t budget() const noexcept { return streak_ > 1 ? budget_left_ : context::default_budget; }
    /// Records what a poll has left of its budget.
    void keep_budget(std::uint32_t left) noexcept { budget_left_ = left; }

private:
    static constexpr unsigned longest_streak = 3;

    atomic<spawned_task*> task_{nullptr};
    unsigned streak_ = 0;
    std::uint32_t budget_left_ = 0;
};

}  // namespace eddy::detail
