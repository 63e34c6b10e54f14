// SPDX-License-Identifier: MIT
// How an event loop runs: chooses a task, polls it, and parks if there is none.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/task/task_local.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/task/run_task.hpp"

namespace eddy::detail {
namespace {

/// Returns the loop. Throws if it must not run on this thread now.
core_shared& checked(core_shared& loop, const std::source_location& where) {
    check_entry(loop, where);
    return loop;
}

}  // namespace

/// A run of an event loop: the loop runs on this thread while the object exists. Hides the task-local values of the
/// code that runs the loop, because the loop's tasks are not part of it.
/// Is the policy of run_task(), too. Its waker, context and mark of the polled task are made once for all polls.
/// Lifetime: lives on the stack, during the run.
class core_shared::loop_run : detail::immovable {
public:
    using word = local_word;

    /// When the run ends: when its work has ended, or by itself, so that other loops of the thread can run.
    enum class ends : bool { with_work, by_itself };

    /// Errors: throws what check_entry() throws.
    loop_run(core_shared& loop, std::source_location where, ends when)
        : loop_(checked(loop, where)),
          executor_({.runs = &loop, .time = &loop.park_.time()}),
          stopped_before_(this_thread.stops_other_loops),
          waker_(&spawned_task_waker, nullptr),
          context_(waker_.get()) {
        loop.begin_run(where);
        this_thread.poll_entry = this;  // the polls use native stack below this object
        this_thread.stops_other_loops = when == ends::with_work;
    }
    ~loop_run() {
        loop_.end_run();
        this_thread.poll_entry = nullptr;
        this_thread.stops_other_loops = stopped_before_;
    }

    void until(const bool& done);
    void until_idle(std::optional<std::chrono::steady_clock::time_point> deadline = std::nullopt);
    void once(max_wait limit);

    // The functions that run_task() calls.
    [[nodiscard, gnu::always_inline]] poll_end poll(spawned_task& task) noexcept {
        loop_.watch_.begin_poll();
        // SAFETY: run_task() holds the queue's reference during the poll, so the borrowed waker needs none.
        waker_.point_to(&task);
        context_.restore_budget();
        context_access::set_call_site(context_, nullptr);  // the last co_await of another task
        here_.mark(&task);
        const bool has_ended = poll_work(task, context_);
        here_.mark(nullptr);
        return has_ended ? poll_end::has_ended : poll_end::waits;
    }
    void queue_again(spawned_task& task) noexcept { loop_.tasks_.push(task); }
    [[nodiscard]] static bool destroys_cancelled() noexcept { return false; }
    [[nodiscard]] static bool is_here() noexcept { return true; }
    [[nodiscard]] core_shared& owner() noexcept { return loop_; }

private:
    void poll_some(std::size_t most, const bool& stop) noexcept;
    void poll_queued() noexcept;
    void poll_watched(spawned_task& task) noexcept;

    core_shared& loop_;
    const executor_scope executor_;
    const hidden_task_locals unbound_;
    const bool stopped_before_;  // inside wait()
    borrowed_waker waker_;
    context context_;
    polled_task here_;
};

void core_shared::loop_run::until(const bool& done) {
    while (!done) {
        loop_.tasks_.drain_inbound();
        poll_some(polls_between_ticks, done);
        if (done) break;
        if (loop_.tasks_.is_empty()) {
            loop_.park_.park(std::nullopt);
        } else {
            loop_.park_.look_if_due();
        }
    }
}

void core_shared::loop_run::until_idle(std::optional<std::chrono::steady_clock::time_point> deadline) {
    loop_tasks& tasks = loop_.tasks_;
    const bool never = false;
    for (;;) {
        tasks.drain_inbound();
        poll_some(polls_between_ticks, never);
        if (tasks.alive() == 0) tasks.drain_all_inbound();  // the last task may have sent something
        max_wait left;
        if (deadline) {
            const auto now = std::chrono::steady_clock::now();
            left = std::max(*deadline, now) - now;
        }
        if (tasks.alive() == 0 || (left && *left <= left->zero())) return;
        loop_.park_.park(tasks.is_empty() ? left : std::chrono::nanoseconds::zero());
    }
}

void core_shared::loop_run::once(max_wait limit) {
    loop_tasks& tasks = loop_.tasks_;
    tasks.drain_all_inbound();
    loop_.park_.park(tasks.is_empty() ? limit : std::chrono::nanoseconds::zero());
    tasks.drain_all_inbound();
    poll_queued();
}

/// Runs up to `most` queued tasks, or until `stop`.
void core_shared::loop_run::poll_some(std::size_t most, const bool& stop) noexcept {
    spawned_task* next = nullptr;
    loop_.watch_.update();
    // A poll that has used up its coop budget was long. Many of them would delay the driver tick.
    const std::uint64_t& forced_yields = loop_.watch_.counters().forced_yields;
    const auto yields_before = forced_yields;
    const auto goes_on = [&] {
        return most-- > 0 && !stop && forced_yields == yields_before && (next = loop_.tasks_.pop());
    };
    if (loop_.watch_.is_on()) [[unlikely]] {
        while (goes_on()) poll_watched(*next);
    } else {
        while (goes_on()) run_task(*this, *next);
    }
}

/// Runs the tasks that are queued now, but not those that are queued meanwhile.
void core_shared::loop_run::poll_queued() noexcept {
    loop_.watch_.update();
    const spawned_task* const last = loop_.tasks_.join_queues();
    for (bool more = last != nullptr; more;) {
        spawned_task& task = loop_.tasks_.pop_oldest();
        more = &task != last;
        loop_.watch_.is_on() ? poll_watched(task) : run_task(*this, task);
    }
}

[[gnu::noinline]] void core_shared::loop_run::poll_watched(spawned_task& task) noexcept {
    watched_runs with(*this, loop_.watch_);
    run_task(with, task);
}

// ---- The runs of a loop ----

void core_shared::run(const bool& done, std::source_location where) {
    loop_run(*this, where, loop_run::ends::with_work).until(done);
}

void core_shared::run_until_idle(std::source_location where) {
    loop_run(*this, where, loop_run::ends::with_work).until_idle();
}

void core_shared::turn(max_wait limit, std::source_location where) {
    loop_run(*this, where, loop_run::ends::by_itself).once(limit);
}

void core_shared::cancel_all(std::chrono::steady_clock::time_point deadline, std::source_location where) {
    loop_run here(*this, where, loop_run::ends::by_itself);
    tasks_.cancel_all();
    here.until_idle(deadline);
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
    loop.run(done, where);
} catch (...) {
    loop.destroy_listed(main);  // its future refers to the caller's stack
    throw;
}

void run_until_idle(core_shared& loop, std::source_location where) { loop.run_until_idle(where); }

}  // namespace eddy::detail
