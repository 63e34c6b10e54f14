// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <eddy/future/future.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/pool/worker_statistics.hpp"
#include "executor/reports/event_log.hpp"
#include "executor/reports/stall_watch.hpp"
#include "executor/task/observer.hpp"
#include "executor/task/spawn_time.hpp"

namespace eddy::detail {

/// What is measured and noted about a worker: counters, the events of its log, its stalls. Most workers are not
/// observed: then each poll, wake and spawn only tests one flag.
/// Thread safety: the thread that runs the worker. Any thread may read the counters.
class worker_notes : immovable {
public:
    /// `by` may be null.
    worker_notes(const observer* by, const std::string& name, const stall_settings& stalls)
        : by_(by), statistics_(by != nullptr), log_(name), stalls_(stalls, &statistics_.counters().polls) {
        update_observed();
    }

    [[nodiscard]] worker_statistics& statistics() noexcept { return statistics_; }
    [[nodiscard]] event_log& log() noexcept { return log_; }
    [[nodiscard]] stall_watch& stalls() noexcept { return stalls_; }

    /// Returns whether hooks, a histogram or the log want to know what the worker does. May be a few polls out of date.
    [[nodiscard]] bool is_observed() const noexcept { return is_observed_; }
    /// Finds out again whether the worker is observed.
    void update_observed() noexcept {
        is_observed_ = by_ != nullptr || log_.is_on();
        looks_at_spawns_ = true;
    }
    /// Records that a task was queued after a wake-up.
    /// Preconditions: is_observed().
    void note_woken(const spawned_task& task) noexcept {
        log_.note(trace::event_kind::wake, task.id);
        if (by_ != nullptr) by_->note_woken(task);
    }

    /// Returns whether look_at_spawns() must be called.
    [[nodiscard]] bool looks_at_spawns() const noexcept { return looks_at_spawns_; }
    /// Reads the clock for the spawns that follow. Returns is_observed().
    [[nodiscard]] bool look_at_spawns() noexcept {
        spawn_time_ = spawn_time::now();
        looks_at_spawns_ = is_observed_;
        return is_observed_;
    }
    [[nodiscard]] const spawn_time& time_of_spawns() const noexcept { return spawn_time_; }

private:
    const observer* const by_;
    worker_statistics statistics_;
    event_log log_;
    stall_watch stalls_;
    bool is_observed_;
    bool looks_at_spawns_ = true;
    spawn_time spawn_time_;
};

}  // namespace eddy::detail
