// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include <eddy/runtime/runtime_hooks.hpp>

#include "executor/task/counted_allocations.hpp"
#include "executor/task/hook.hpp"
#include "executor/task/task_accounts.hpp"

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

    /// Returns whether polls are measured.
    [[nodiscard]] bool measures() const noexcept { return counts_poll_times || accounts != nullptr; }

    void note_woken(const spawned_task& task) const noexcept {
        if (accounts != nullptr) accounts->note_woken(task);
    }
};

/// Measures one poll.
/// Preconditions: the task exists until end().
class measured_poll : immovable {
public:
    measured_poll(const observer& by, const spawned_task& task) noexcept : by_(by), task_(task) {
        if (by.accounts == nullptr) return;
        latency_ = by.accounts->begin_poll(task, began_);
        allocations_.emplace();
    }
    /// Ends the measurement, and returns how long the poll took.
    std::chrono::nanoseconds end() noexcept {
        const auto now = std::chrono::steady_clock::now();
        if (by_.accounts != nullptr) by_.accounts->end_poll(task_, now, now - began_, allocations_->count());
        return now - began_;
    }
    /// Returns how long the task has waited for the poll, if that is known.
    [[nodiscard]] const std::optional<std::chrono::nanoseconds>& latency() const noexcept { return latency_; }

private:
    const observer& by_;
    const spawned_task& task_;
    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::optional<std::chrono::nanoseconds> latency_;
    std::optional<counted_allocations> allocations_;
};

}  // namespace eddy::detail
