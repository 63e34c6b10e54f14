// SPDX-License-Identifier: MIT
#include "executor/loop/loop_run.hpp"

#include <algorithm>

#include <eddy/error.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/loop/loop_poller.hpp"

namespace eddy::detail {
namespace {

/// Returns the loop. Throws if it must not run on this thread now.
core_shared& checked(core_shared& loop, const std::source_location& where) {
    check_entry(loop, where);
    return loop;
}

}  // namespace

loop_run::loop_run(core_shared& loop, std::source_location where, ends when)
    : loop_(checked(loop, where)),
      executor_({.runs = &loop, .time = &loop.parking().time()}),
      stopped_before_(this_thread.stops_other_loops) {
    loop.begin_run(where);
    this_thread.poll_entry = this;  // the polls use native stack below this object
    this_thread.stops_other_loops = when == ends::with_work;
}

loop_run::~loop_run() {
    loop_.end_run();
    this_thread.poll_entry = nullptr;
    this_thread.stops_other_loops = stopped_before_;
}

void loop_run::until(const bool& done) {
    while (!done) {
        loop_.tasks().drain_inbound();
        loop_poller(loop_).run_some(polls_between_ticks, done);
        if (done) break;
        if (loop_.tasks().queues().is_empty()) {
            loop_.parking().park(std::nullopt);
        } else {
            loop_.parking().look_if_due();
        }
    }
}

void loop_run::until_idle(std::optional<std::chrono::steady_clock::time_point> deadline) {
    loop_tasks& tasks = loop_.tasks();
    const bool never = false;
    for (;;) {
        tasks.drain_inbound();
        loop_poller(loop_).run_some(polls_between_ticks, never);
        if (tasks.alive().size() == 0) tasks.drain_all_inbound();  // the last task may have sent something
        max_wait left;
        if (deadline) {
            const auto now = std::chrono::steady_clock::now();
            left = std::max(*deadline, now) - now;
        }
        if (tasks.alive().size() == 0 || (left && *left <= left->zero())) return;
        loop_.parking().park(tasks.queues().is_empty() ? left : std::chrono::nanoseconds::zero());
    }
}

void loop_run::once(max_wait limit) {
    loop_tasks& tasks = loop_.tasks();
    tasks.drain_all_inbound();
    loop_.parking().park(tasks.queues().is_empty() ? limit : std::chrono::nanoseconds::zero());
    tasks.drain_all_inbound();
    loop_poller(loop_).run_queued();
}

// ---- Entry points for templates, and the checks before a run ----

void check_thread(const core_shared& loop, std::source_location where) {
    if (!loop.is_on_own_thread()) {
        throw wrong_thread(
            "a core and its core_handle belong to the thread that made the core: from other threads send work through "
            "a core_remote (handle.remote())",
            where);
    }
}

void check_entry(const core_shared& loop, std::source_location where) {
    check_thread(loop, where);
    if (this_thread.running_loop == &loop) {
        throw nested_runtime(
            "cannot recursively call into core: run() or turn() was called from work of the same loop; spawn the work, "
            "or await it",
            where);
    }
    if (this_thread.runs_here != nullptr) {
        throw nested_runtime(
            "a loop was run inside another loop or a runtime, which it would block: use a separate thread "
            "(core_thread)",
            where);
    }
    if (loop.is_copy_in_child()) {
        throw misuse("this loop belongs to the parent process: after a fork, make a new core in the child", where);
    }
}

void run_until_done(core_shared& loop, spawned_task& main, const bool& done, std::source_location where) try {
    loop_run(loop, where, loop_run::ends::with_work).until(done);
} catch (...) {
    loop.tasks().destroy_listed(main);  // its future refers to the caller's stack
    throw;
}

void run_until_idle(core_shared& loop, std::source_location where) {
    loop_run(loop, where, loop_run::ends::with_work).until_idle();
}

}  // namespace eddy::detail
