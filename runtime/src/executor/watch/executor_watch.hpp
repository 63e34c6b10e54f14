// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <eddy/future/future.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/reports/event_log.hpp"
#include "executor/reports/stall_watch.hpp"
#include "executor/task/observer.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/spawn_time.hpp"

namespace eddy::detail {

/// What watches a worker or an event loop: the hooks and measurements that the builder has asked for, the log of
/// events with the probes, the watchdog of stalls, and the times of spawns. The executor calls it at these points, and
/// asks nowhere else whether there is something that watches:
///
///     point                       called                                     told to
///     spawned()                   for a new task, before it is queued        time of spawn, hook, account, log
///     woken()                     when a woken task is queued                account, log
///     watched_runs                if is_on(), around a poll                  hooks, account, histogram, log
///     ended()                     when a task of a loop has ended (for a     hook, account
///                                 pool: outside_watch::ended())
///     begin_run(), end_run()      when the thread runs tasks, and when not   stalls
///     parks(), unparked()         before and after a park                    hooks
///     waits(), has_waited()       before and after each wait of a park       log
///     has_ticked()                after a driver tick                        log
///
/// Without anything that watches, each point is one test of a flag.
/// Thread safety: the thread that runs the worker or the loop, except counters of stalls, and where a function says
/// otherwise.
class executor_watch : immovable {
public:
    /// `by` may be null. `polls` is the counter of polls, see stall_watch.
    executor_watch(const observer* by, const std::string& name, const stall_settings& chosen, const void* polls);

    // ---- Tasks ----
    /// Stores the time in a new task.
    void spawned(spawned_task& task) noexcept {
        if (looks_at_spawns_) [[unlikely]]
            look_at_spawn(task);
        spawn_time_.store_in(task);
    }
    void woken(const spawned_task& task) noexcept {
        if (is_on_) [[unlikely]]
            note_woken(task);
    }
    /// The same for a wake-up of which only the log does not know yet: the task's account does, or counts it as a part
    /// of the poll.
    void woken_again(const spawned_task& task) noexcept {
        if (is_on_) [[unlikely]]
            note_in_log(trace::event_kind::wake, task);
    }
    /// A wake-up on a thread that does not run this executor.
    /// Thread safety: any thread.
    void woken_elsewhere(const spawned_task& task) const noexcept {
        if (by_ != nullptr) [[unlikely]]
            by_->note_woken(task);
    }
    void ended(const spawned_task& task) const noexcept {
        if (by_ != nullptr) [[unlikely]]
            by_->note_end(task);
    }
    /// A worker has taken `task` from the worker with this number.
    void stolen(const spawned_task& task, unsigned from) noexcept {
        if (is_on_) [[unlikely]]
            log_.note(trace::event_kind::steal, number_in_log(task), from);
    }

    // ---- Polls ----
    /// Returns whether polls must be passed to watched_runs. May be a few polls out of date.
    [[nodiscard]] bool is_on() const noexcept { return is_on_; }
    /// Finds out again whether something watches, and makes the next spawn look at the clock. Called now and then.
    void update() noexcept {
        is_on_ = by_ != nullptr || log_.is_on();
        looks_at_spawns_ = true;
    }
    /// Returns poll(), which polls `task`. `is_here` is called after it, and returns whether this thread still runs the
    /// worker. If not, another thread writes its measurements and its log, and most of the time of the poll was
    /// blocking work.
    template <class Poll, class IsHere>
    [[nodiscard]] poll_end polled(const spawned_task& task, Poll poll, IsHere is_here) noexcept {
        note_in_log(trace::event_kind::poll_begin, task);
        const poll_end ended = observer::observed(by_, task, durations_.get(), poll, is_here);
        if (is_here()) note_in_log(trace::event_kind::poll_end, task, ended == poll_end::has_ended ? 1 : 0);
        return ended;
    }

    // ---- Runs and waits ----
    void watch_this_thread() noexcept { stalls_.watch_this_thread(); }
    void begin_run() noexcept {
        is_running_ = true;
        stalls_.begin_run();
    }
    void end_run() noexcept {
        is_running_ = false;
        looks_at_spawns_ = true;
        stalls_.end_run();
    }
    /// The thread is about to park. Its hook may queue tasks.
    void parks() const noexcept {
        if (by_ != nullptr && by_->hooks.before_park) by_->hooks.before_park();
    }
    void unparked() const noexcept {
        if (by_ != nullptr && by_->hooks.after_unpark) by_->hooks.after_unpark();
    }
    /// Returns whether parks() or unparked() calls a function of the program.
    [[nodiscard]] bool has_park_hook() const noexcept {
        return by_ != nullptr && (by_->hooks.before_park || by_->hooks.after_unpark);
    }
    void waits() noexcept {
        if (log_.is_on()) log_.note(trace::event_kind::park);
    }
    void has_waited() noexcept {
        if (log_.is_on()) log_.note(trace::event_kind::unpark);
    }
    /// A driver tick has found this many events, and this many timers have fired after it. Time may have passed.
    void has_ticked(std::size_t events, std::size_t timers) noexcept {
        looks_at_spawns_ = true;
        if (!log_.is_on()) return;
        if (events != 0) log_.note(trace::event_kind::io_event, 0, events);
        if (timers != 0) log_.note(trace::event_kind::timer, 0, timers);
    }

    // ---- Any thread ----
    /// Returns null if the builder has asked for nothing.
    [[nodiscard]] const observer* by() const noexcept { return by_; }
    [[nodiscard]] stall_counters stalls() const noexcept { return stalls_.counters(); }
    /// Returns the measurements of polls, which are empty without an observer.
    [[nodiscard]] const poll_durations& durations() const noexcept;

private:
    void look_at_spawn(const spawned_task& task) noexcept;
    void note_woken(const spawned_task& task) noexcept;
    void note_in_log(trace::event_kind kind, const spawned_task& task, std::uint64_t detail = 0) noexcept {
        log_.note(kind, number_in_log(task), detail);
    }

    const observer* const by_;
    const std::unique_ptr<poll_durations> durations_;  // null without an observer
    event_log log_;
    stall_watch stalls_;
    bool is_on_ = false;
    bool looks_at_spawns_ = true;  // the clock may have advanced, or each spawn is looked at
    bool is_running_ = false;      // the clock advances between two spawns of a thread that does not run tasks
    spawn_time spawn_time_;
};

/// The policy of run_task() while something watches: passes all on to the policy `Runs`, which has a function is_here()
/// besides (see executor_watch::polled()).
template <class Runs>
class watched_runs {
public:
    using word = typename Runs::word;

    watched_runs(Runs& runs, executor_watch& watch) noexcept : runs_(runs), watch_(watch) {}

    [[nodiscard]] poll_end poll(spawned_task& task) noexcept {
        return watch_.polled(task, [&] { return runs_.poll(task); }, [&] { return runs_.is_here(); });
    }
    void queue_again(spawned_task& task) noexcept {
        if (runs_.is_here()) watch_.woken_again(task);
        runs_.queue_again(task);
    }
    [[nodiscard]] bool destroys_cancelled() const noexcept { return runs_.destroys_cancelled(); }
    [[nodiscard]] auto& owner() noexcept { return runs_.owner(); }

private:
    Runs& runs_;
    executor_watch& watch_;
};

/// The same points for the threads that run no worker of a pool.
/// Thread safety: any thread.
class outside_watch {
public:
    /// `by` may be null.
    explicit outside_watch(const observer* by) noexcept : by_(by) {}

    void spawned(spawned_task& task) const noexcept;
    void woken(const spawned_task& task) const noexcept {
        if (is_noted_elsewhere()) [[unlikely]]
            note_elsewhere(trace::event_kind::wake, task.id);
        if (by_ != nullptr) [[unlikely]]
            by_->note_woken(task);
    }
    /// Also for tasks that end on a worker.
    void ended(const spawned_task& task) const noexcept {
        if (by_ != nullptr) [[unlikely]]
            by_->note_end(task);
    }

private:
    const observer* const by_;
};

/// The times of spawns in a local set, which nothing else watches.
/// Thread safety: the thread that polls the set, except spawned_elsewhere().
class local_watch {
public:
    void spawned(spawned_task& task) noexcept {
        if (std::exchange(looks_at_spawns_, false)) spawn_time_ = spawn_time::now();
        spawn_time_.store_in(task);
    }
    static void spawned_elsewhere(spawned_task& task) noexcept { spawn_time::now().store_in(task); }
    /// The set is polled: time may have passed.
    void begin_poll() noexcept { looks_at_spawns_ = true; }

private:
    bool looks_at_spawns_ = true;
    spawn_time spawn_time_;
};

}  // namespace eddy::detail
