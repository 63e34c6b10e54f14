// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/runtime/reactor.hpp>
#include <eddy/runtime/runtime_hooks.hpp>
#include <eddy/runtime/stall_report.hpp>
#include <eddy/task/unobserved_error.hpp>

namespace eddy {

namespace detail {

/// What executor_builder sets.
struct executor_settings {
    bool enable_io_ = true;
    std::optional<driver_kind> driver_;
    std::size_t max_io_events_ = 1024;
    std::optional<std::uint64_t> seed_;
    std::function<void(std::exception_ptr, const std::source_location&)> on_uncaught_;
    unobserved_error_handler on_unobserved_error_;
    std::optional<leak_handler> on_leaks_;
    bool report_deadlocks_ = false;
    std::chrono::nanoseconds stall_limit_ = default_stall_limit;
    stall_handler on_stall_;
    bool poll_time_histogram_ = false;
    bool task_statistics_ = false;
    runtime_hooks hooks_;
};

}  // namespace detail

template <class Builder>
class thread_builder;

/// What core_builder, core_thread_builder and runtime_builder have in common. "The executor" is the event loop or the
/// runtime that they make. Each function returns the builder.
template <class Builder>
class executor_builder : protected detail::executor_settings {
public:
    /// A function that receives each exception that left a task and that no join handle can take, and the source
    /// location of the task's spawn. It must not throw.
    using uncaught_handler = std::function<void(std::exception_ptr, const std::source_location&)>;

    /// Enables or disables I/O. The default is enabled. Without I/O the executor opens no descriptors, its threads park
    /// instead, and socket operations fail with errc::io_disabled.
    Builder& enable_io(bool enabled) noexcept {
        enable_io_ = enabled;
        return self();
    }
    /// Selects the driver; see driver_kind. The default is the driver that the environment variable EDDY_DRIVER names,
    /// or epoll if it is unset.
    Builder& driver(driver_kind kind) noexcept {
        driver_ = kind;
        return self();
    }
    /// Sets the maximum number of I/O events that a driver tick fetches from the system. Further events stay there
    /// until the next tick. The default is 1,024.
    /// Errors: throws `misuse` for 0.
    Builder& max_io_events_per_tick(std::size_t count, std::source_location where = std::source_location::current()) {
        if (count == 0) throw misuse("max_io_events_per_tick(0) would fetch no event: pass at least 1", where);
        max_io_events_ = count;
        return self();
    }
    /// Sets the seed of the random numbers of the executor: the branch with which a select begins, and the order in
    /// which workers steal from each other.
    Builder& rng_seed(std::uint64_t seed) noexcept {
        seed_ = seed;
        return self();
    }

    /// Sets the handler for exceptions that left a task and that no code reads: the join handle was dropped, or the
    /// `join_error` was destroyed unread. By default, each exception is printed as one line on standard error.
    Builder& on_uncaught(uncaught_handler handler) {
        on_uncaught_ = std::move(handler);
        return self();
    }
    /// Sets the handler for errors that tasks return and that no code reads, because the join handle was dropped. By
    /// default, each error is printed as one line on standard error. `[](const auto&) {}` ignores them. A handle that
    /// is dropped outside of the executor's tasks, after its task has ended, prints the error.
    Builder& on_unobserved_error(unobserved_error_handler handler) {
        on_unobserved_error_ = std::move(handler);
        return self();
    }
    /// Sets whether the executor reports what has leaked when it shuts down, on standard error. The default is the
    /// environment variable EDDY_LEAKS: true for any value but 0. The report has the place of the spawn, the coroutines
    /// and what the innermost one waits for, as dump_tasks(). These are leaks:
    /// - A detached task (its join handle was dropped, or core_handle::spawn() made it without one) that waits when the
    ///   shutdown destroys the tasks. After shutdown_timeout(), that is one whose cancellation has not ended in time.
    ///   The tasks that it waits for are shown, too.
    /// - Blocking work of a runtime whose function has not returned then. The blocking work of an event loop continues
    ///   after it.
    /// - A descriptor that is registered when all tasks have been destroyed: a global object has it, for example. With
    ///   io_uring, TCP connections are not known.
    /// These are none: tasks that are queued or run, children of a scope or task_owner, tasks of a join_set or
    /// local_set, others that have a join handle, and spawn_background().
    /// Cost: none until the shutdown, which then reads the tasks of the process as dump_tasks() does.
    Builder& report_leaks(bool enabled) { return on_leaks(enabled ? leak_handler(&detail::print_leaks) : nullptr); }
    /// Same as report_leaks(true), and `handler` receives the reports, with a line break at the end: at most one about
    /// tasks and blocking work, on the thread that begins the shutdown, then at most one about descriptors, on the last
    /// worker. An event loop calls it on its thread.
    Builder& on_leaks(leak_handler handler) {
        on_leaks_ = std::move(handler);
        return self();
    }
    /// Sets whether a wait that cannot end is printed on standard error, with all tasks: all threads of the process
    /// sleep in a runtime, an event loop or eddy::wait, and have done so for 1 s, and no timer, descriptor, signal
    /// handler or other thread exists that could wake one of them. It is printed once, and the program keeps waiting.
    /// Waits of the whole process are found while the executor exists. The default is false; eddy::run() does it. Linux
    /// only.
    /// Cost: a reading of the clock each time a thread parks.
    Builder& report_deadlocks(bool enabled) noexcept {
        report_deadlocks_ = enabled;
        return self();
    }
    /// Sets how long one poll of a task may last before it is reported as a stall. Tasks that compute or block without
    /// a co_await make the other tasks of their thread wait. The report names the task, its coroutines and the
    /// functions that run. It is printed on standard error, or passed to on_stall(), once for each place, then at most
    /// once a minute. All stalls are counted: see worker_metrics::stalls. The default is 250 ms; 0 switches it off. The
    /// environment variable EDDY_STALL overrides the limit: `0`, `100ms`, `2s`.
    ///
    /// The watchdog is a thread of the process. It starts with the first runtime or event loop that runs, and sleeps
    /// while none runs. It interrupts a stalled thread once for each report, by SIGURG, unless the program handles that
    /// signal: calls that do not restart, such as sleep(3), return EINTR. Nothing is reported while a debugger is
    /// attached, in a forked child, and on other systems than Linux.
    ///
    /// Errors: throws `misuse` for a negative duration.
    /// Cost: none for a poll. While threads run, the watchdog looks at them 32 times a second.
    Builder& stall_limit(std::chrono::nanoseconds limit, std::source_location where = std::source_location::current()) {
        if (limit < limit.zero())
            throw misuse("stall_limit() takes no negative duration: pass 0 to switch it off", where);
        stall_limit_ = limit;
        return self();
    }
    /// Sets the function that receives reports of stalls instead of standard error. It is called on the thread of the
    /// watchdog; see stall_handler.
    Builder& on_stall(stall_handler handler) {
        on_stall_ = std::move(handler);
        return self();
    }
    /// Sets whether the executor measures how long each poll of a task takes; see worker_metrics::poll_times and
    /// core_metrics::poll_times(). The default is false.
    /// Cost: two readings of the clock for each poll.
    Builder& poll_time_histogram(bool enabled) noexcept {
        poll_time_histogram_ = enabled;
        return self();
    }
    /// Sets whether each task is measured: its polls, their duration, and the memory blocks that they allocate
    /// (all_task_statistics()), and how long tasks wait for their polls (worker_metrics::schedule_latencies,
    /// core_metrics::schedule_latencies()). The default is false.
    /// Cost: about 150 ns for each poll and 50 ns for each wake-up, and 100 bytes for each task.
    Builder& task_statistics(bool enabled) noexcept {
        task_statistics_ = enabled;
        return self();
    }

    /// Each of the following functions sets one callback; see the members of runtime_hooks.
    Builder& on_thread_park(std::function<void()> f) {
        hooks_.before_park = std::move(f);
        return self();
    }
    Builder& on_thread_unpark(std::function<void()> f) {
        hooks_.after_unpark = std::move(f);
        return self();
    }
    Builder& on_task_spawn(std::function<void(task_id)> f) {
        hooks_.task_spawn = std::move(f);
        return self();
    }
    Builder& on_task_terminate(std::function<void(task_id)> f) {
        hooks_.task_terminate = std::move(f);
        return self();
    }
    Builder& on_before_task_poll(std::function<void(task_id)> f) {
        hooks_.before_task_poll = std::move(f);
        return self();
    }
    Builder& on_after_task_poll(std::function<void(task_id)> f) {
        hooks_.after_task_poll = std::move(f);
        return self();
    }

protected:
    Builder& self() noexcept { return static_cast<Builder&>(*this); }

private:
    friend Builder;  // only these may derive from it
    friend thread_builder<Builder>;

    executor_builder() noexcept = default;
};

}  // namespace eddy
