// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <unordered_map>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/task_statistics.hpp>

#include "sys/fork.hpp"

namespace eddy::detail {

/// What an executor measures of each of its tasks, if its builder's task_statistics() is on. A table beside the tasks,
/// so that tasks are no larger without it.
///
///     note_spawn() ──> begin_poll() ──> end_poll() ──> note_woken() ──> ... ──> forget()
///
/// A task is ready from its spawn, or from the first wake-up after a poll. A task that is polled without such a wake-up
/// was woken during its previous poll, so it has been ready since the end of that poll.
///
/// Without memory for an account, the task is not measured. Nothing is measured in a forked child: another thread of
/// the parent may have had a lock.
/// Thread safety: any thread.
class task_accounts {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// Creates the account of a new task, which waits for its first poll from now on.
    void note_spawn(const spawned_task& task) noexcept { note_ready(task, &shard::find_or_add); }
    /// Records that a task waits for its next poll from now on. Without effect if it has ended: a loop can complete a
    /// task while another thread wakes it.
    void note_woken(const spawned_task& task) noexcept { note_ready(task, &shard::find); }
    /// Records that a poll begins. Returns how long the task has waited for it; nullopt if its spawn was not recorded.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> begin_poll(const spawned_task& task,
                                                                     time_point now) noexcept {
        if (process_.is_from_parent()) return std::nullopt;
        shard& in = shard_of(task);
        const std::lock_guard guard(in.lock);
        account* const one = in.find_or_add(task);
        if (one == nullptr || (!one->is_woken && one->used.polls == 0)) return std::nullopt;
        one->is_woken = false;
        return now - one->ready_at;
    }
    void end_poll(const spawned_task& task, time_point now, std::chrono::nanoseconds taken,
                  std::uint64_t allocations) noexcept {
        if (process_.is_from_parent()) return;
        shard& in = shard_of(task);
        const std::lock_guard guard(in.lock);
        account* const one = in.find(task);
        if (one == nullptr) return;
        ++one->used.polls;
        one->used.busy += taken;
        one->used.allocations += allocations;
        if (!one->is_woken) one->ready_at = now;
    }
    /// The task has ended: another one may get its address.
    void forget(const spawned_task& task) noexcept {
        if (process_.is_from_parent()) return;
        shard& in = shard_of(task);
        const std::lock_guard guard(in.lock);
        in.accounts.erase(&task);
    }
    /// Appends the statistics of all tasks.
    void append_to(std::vector<task_statistics>& all) {
        for (shard& each : shards_) {
            const std::lock_guard guard(each.lock);
            for (const auto& [task, one] : each.accounts) all.push_back(one.used);
        }
    }

private:
    struct account {
        task_statistics used;
        time_point ready_at;    // valid if it is woken or was polled
        bool is_woken = false;  // since the last poll began

        explicit account(task_id id) noexcept { used.id = id; }
    };
    struct alignas(64) shard {
        mutex lock;
        std::unordered_map<const spawned_task*, account> accounts;

        [[nodiscard]] account* find(const spawned_task& task) noexcept {
            const auto found = accounts.find(&task);
            return found != accounts.end() ? &found->second : nullptr;
        }
        [[nodiscard]] account* find_or_add(const spawned_task& task) noexcept try {
            return &accounts.try_emplace(&task, task.id).first->second;
        } catch (const std::bad_alloc&) {
            return nullptr;
        }
    };

    /// `account_of` returns the task's account, or null.
    void note_ready(const spawned_task& task, account* (shard::*account_of)(const spawned_task&) noexcept) noexcept {
        if (process_.is_from_parent()) return;
        const auto now = std::chrono::steady_clock::now();
        shard& in = shard_of(task);
        const std::lock_guard guard(in.lock);
        account* const one = (in.*account_of)(task);
        if (one == nullptr || one->is_woken) return;
        one->is_woken = true;
        one->ready_at = now;
    }
    [[nodiscard]] shard& shard_of(const spawned_task& task) noexcept {
        // Blocks of the frame pool have sizes of multiples of 16 bytes, and headers have about 100.
        return shards_[reinterpret_cast<std::uintptr_t>(&task) / 128 % shards_.size()];
    }

    const sys::process_mark process_;
    std::array<shard, 16> shards_;
};

}  // namespace eddy::detail
