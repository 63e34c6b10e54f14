// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include <eddy/runtime/runtime_hooks.hpp>

#include "executor/task/counted_durations.hpp"
#include "executor/task/hook.hpp"
#include "executor/task/task_accounts.hpp"
#include "future/counted_allocations.hpp"

namespace eddy::detail {

/// What an executor does at spawns, wake-ups, polls and ends of tasks because its builder says so. Most executors have
/// none, so each of these places tests one pointer.
struct observer {
    runtime_hooks hooks;                      ///< guarded
    bool counts_poll_times = false;           ///< builder::poll_time_histogram()
    std::unique_ptr<task_accounts> accounts;  ///< builder::task_statistics(); null without it

    /// Returns null if there is nothing to do.
    [[nodiscard]] static std::unique_ptr<observer> make(const runtime_hooks& hooks, bool counts_poll_times,
                                                        bool has_accounts) {
        if (!has_any(hooks) && !counts_poll_times && !has_accounts) return nullptr;
        auto made = std::make_unique<observer>();
        made->hooks = guarded(hooks);
        made->counts_poll_times = counts_poll_times;
        if (has_accounts) made->accounts = std::make_unique<task_accounts>();
        return made;
    }

    // The hooks are not called for tasks without a number: tasks of an event loop without a join handle.
    void note_spawn(const spawned_task& task) const noexcept {
        if (accounts != nullptr) accounts->note_spawn(task);
        if (task.id != 0 && hooks.task_spawn) hooks.task_spawn(task.id);
    }
    /// Records that the task was queued after a wake-up.
    void note_woken(const spawned_task& task) const noexcept {
        if (accounts != nullptr) accounts->note_woken(task);
    }
    [[gnu::cold]] void note_end(const spawned_task& task) const noexcept {
        if (task.id != 0 && hooks.task_terminate) hooks.task_terminate(task.id);
        if (accounts != nullptr) accounts->forget(task);
    }

    /// Returns poll(), which polls `task`: calls the hooks before and after it, and measures it if the builder wants
    /// that. `is_here` is called after the poll, and returns whether this thread may write `into`. `by` may be null,
    /// and then `into`, too.
    /// Preconditions: the caller has a reference to the task.
    template <class Poll, class IsHere>
    [[nodiscard]] static auto observed(const observer* by, const spawned_task& task, poll_durations* into, Poll poll,
                                       IsHere is_here) noexcept {
        if (by == nullptr) return poll();
        if (task.id != 0 && by->hooks.before_task_poll) by->hooks.before_task_poll(task.id);
        const auto ended = by->measured(task, into, poll, is_here);
        if (task.id != 0 && by->hooks.after_task_poll) by->hooks.after_task_poll(task.id);
        return ended;
    }

private:
    template <class Poll, class IsHere>
    [[nodiscard]] auto measured(const spawned_task& task, poll_durations* into, Poll poll,
                                IsHere is_here) const noexcept {
        if (!counts_poll_times && accounts == nullptr) return poll();
        const auto began = std::chrono::steady_clock::now();
        std::optional<counted_allocations> allocations;
        if (accounts != nullptr) {
            if (const auto latency = accounts->begin_poll(task, began)) into->schedule_latencies.add(*latency);
            allocations.emplace();
        }
        const auto ended = poll();
        const auto now = std::chrono::steady_clock::now();
        if (accounts != nullptr) accounts->end_poll(task, now, now - began, allocations->count());
        if (counts_poll_times && is_here()) into->poll_times.add(now - began);
        return ended;
    }
};

}  // namespace eddy::detail
