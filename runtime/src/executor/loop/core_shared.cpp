// SPDX-License-Identifier: MIT
#include "executor/loop/core_shared.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/runtime/core_answer.hpp>
#include <eddy/task/task_local.hpp>

#include "executor/reports/dump_on_signal.hpp"
#include "executor/reports/leaks.hpp"
#include "executor/task/uncaught.hpp"
#include "reactor/drivers/tick_error.hpp"

namespace eddy::detail {
namespace {

// Maximum number of polls before the loop checks its inbound list while tasks are queued. run_until() also runs a
// driver tick and fires timers then, if it last did so at least core_look_interval ago.
constexpr std::size_t polls_between_ticks = 64;
constexpr auto core_look_interval = std::chrono::microseconds(20);

atomic<std::uint64_t> next_core_id{1};

}  // namespace

/// Marks the loop as running on this thread. Hides the task-local values of the code that runs the loop, because the
/// loop's tasks are not part of it.
class core_shared::entered : detail::immovable {
public:
    entered(core_shared& loop, std::source_location where, ends when) : checked_((check_entry(loop, where), &loop)) {
        loop.run_at_ = where;
        this_thread.running_loop = &loop;
        this_thread.runs_here = &loop;
        this_thread.poll_entry = this;  // the polls use native stack below this object
        this_thread.stops_other_loops = when == ends::with_work;
        if (loop.random_) std::swap(random_here, *loop.random_);
        loop.stalls_.begin_run();
    }
    ~entered() {
        checked_->stalls_.end_run();
        checked_->looks_at_spawns_ = true;
        // Submits what the tasks have written, because the thread may not run the loop again soon.
        if (checked_->io() != nullptr) checked_->io()->flush_ring();
        this_thread.running_loop = nullptr;
        this_thread.runs_here = nullptr;
        this_thread.poll_entry = nullptr;
        this_thread.stops_other_loops = stopped_before_;
        if (checked_->random_) std::swap(random_here, *checked_->random_);
    }

private:
    core_shared* const checked_;
    const executor_scope executor_{{.runs = checked_, .time = checked_->time_.get()}};
    const hidden_task_locals unbound_;
    const bool stopped_before_ = this_thread.stops_other_loops;  // inside wait()
};

core_shared::core_shared(settings&& chosen)
    : executor(true),
      settings_(std::move(chosen)),
      place_(new sleeping_place(io())),
      time_(time_driver::make(place_->waker(), time_driver::owner::core)),
      buffers_(new buffer_pool),
      owner_(this_thread_mark()),
      // relaxed: the numbers must only be distinct.
      id_(next_core_id.fetch_add(1, std::memory_order_relaxed)),
      durations_(settings_.observes != nullptr ? std::make_unique<poll_durations>() : nullptr),
      stalls_({settings_.stalls.limit, settings_.stalls.on_stall, 2 * id_ + 1}, &counters_.polls) {
    start_dumps_on_signal();
    stalls_.watch_this_thread();
    forget_wakers_in_children();
    if (settings_.start_paused) time_->pause();
    if (settings_.seed) random_.emplace(*settings_.seed);
    if (settings_.reports_deadlocks) deadlocks_.emplace();
    if (io() != nullptr) io()->belong_to(*this);
    update_observed();
    listed_.show_metrics_of(*this);
}

core_shared::~core_shared() = default;

void core_shared::release() noexcept {
    if (!references_.drop()) return;
    // A thread that has notified a task may not have called schedule() yet.
    await_wakers_outside();
    delete this;
}

void core_shared::run_until(spawned_task& main, const bool& done, std::source_location where) try {
    const entered guard(*this, where, ends::with_work);
    while (!done) {
        drain_inbound(polls_between_ticks);
        run_some(polls_between_ticks, done);
        if (done) break;
        if (!has_queued()) {
            park(std::nullopt);
        } else {
            look_if_due();
        }
    }
} catch (...) {
    destroy_listed(main);  // its future refers to the caller's stack
    throw;
}

void core_shared::run_until_idle(std::source_location where) {
    const entered guard(*this, where, ends::with_work);
    run_to_end(std::nullopt);
}

void core_shared::cancel_all(std::chrono::steady_clock::time_point deadline, std::source_location where) {
    const entered guard(*this, where, ends::by_itself);
    is_ending_ = true;
    for (spawned_task* task = live_.front(); task != nullptr; task = live_.after(*task)) {
        if (local_state_of(*task).transition_to_cancelled() == task_flags::wake_action::submit) schedule(*task);
    }
    run_to_end(deadline);
}

/// Runs the loop until no task is alive, or until `deadline`.
void core_shared::run_to_end(std::optional<std::chrono::steady_clock::time_point> deadline) {
    const bool never = false;
    for (;;) {
        drain_inbound(polls_between_ticks);
        run_some(polls_between_ticks, never);
        if (live_.size() == 0) drain_all_inbound();  // the last task may have sent something
        max_wait left;
        if (deadline) left = *deadline - std::chrono::steady_clock::now();
        if (live_.size() == 0 || (left && *left <= left->zero())) return;
        park(has_queued() ? std::chrono::nanoseconds::zero() : left);
    }
}

void core_shared::turn(max_wait limit, std::source_location where) {
    const entered guard(*this, where, ends::by_itself);
    drain_all_inbound();
    park(!has_queued() ? limit : std::chrono::nanoseconds::zero());
    drain_all_inbound();
    run_queued();
}

std::optional<std::chrono::steady_clock::time_point> core_shared::next_deadline() noexcept {
    const auto now = std::chrono::steady_clock::now();
    const bool may_wait = io() == nullptr || io()->may_wait_outside();  // may queue tasks: call it first
    if (has_queued() || !may_wait || !inbound_.mark_parked()) return now;
    auto next = time_->next_deadline();
    const auto linger = io() != nullptr ? io()->linger_deadline() : std::nullopt;
    if (linger && (!next || *linger < *next)) next = linger;
    return next;
}

/// Waits for an event of the driver, the next timer, an inbound node or the end of `limit`, whichever is first.
void core_shared::park(max_wait limit) {
    if (limit == std::chrono::nanoseconds::zero()) return look_at_driver(limit);
    if (time_->is_paused()) return park_paused(limit);
    if (spin(limit)) return;
    if (call_before_park()) return look_at_driver(std::chrono::nanoseconds::zero());
    if (const auto next = time_->next_deadline()) {
        // The comparison comes before the subtraction, which would overflow for a deadline at the minimum of the clock.
        const auto now = time_->now();
        const auto left = *next <= now ? time_driver::duration::zero() : *next - now;
        limit = limit ? std::min<std::chrono::nanoseconds>(*limit, left) : left;
    }
    sleep(limit);
    call_after_unpark();
}

/// Calls the hook of a loop that is about to park. Returns whether the hook has queued a task.
bool core_shared::call_before_park() noexcept {
    if (settings_.observes == nullptr || !settings_.observes->hooks.before_park) return false;
    settings_.observes->hooks.before_park();
    return has_queued();
}

void core_shared::call_after_unpark() noexcept {
    if (settings_.observes != nullptr && settings_.observes->hooks.after_unpark)
        settings_.observes->hooks.after_unpark();
}

/// park() while the clock is paused: advances the clock to the next timer instead of waiting for it. It does so only if
/// there is nothing else to do, and no blocking job whose end could give the tasks something to do.
void core_shared::park_paused(max_wait limit) {
    blocking_jobs& jobs = place_->jobs();
    // any() is called before the checks below, so that they find all wake-ups of the jobs that have ended.
    const bool may_advance = !jobs.any();
    look_at_driver(std::chrono::nanoseconds::zero());
    drain_inbound(polls_between_ticks);
    if (has_queued() || call_before_park()) return;
    if (may_advance) {
        if (time_->auto_advance()) {
            static_cast<void>(time_->fire());
        } else {
            sleep(limit);
        }
        return call_after_unpark();
    }
    // All due timers have fired, and no later one becomes due before the clock advances.
    sleep(jobs.wait() ? limit : std::chrono::nanoseconds::zero());
    jobs.wait_ended();
    call_after_unpark();
}

/// Waits for an event of the driver, an inbound node or the end of `limit`, whichever is first.
void core_shared::sleep(max_wait limit) {
    flush_freed_blocks();
    if (!inbound_.mark_parked()) limit = std::chrono::nanoseconds::zero();
    if (log_.is_on()) log_.note(trace::event_kind::park);
    stalls_.end_run();
    look_at_driver(limit);
    stalls_.begin_run();
    if (log_.is_on()) log_.note(trace::event_kind::unpark);
}

/// Spins for up to settings_.spin before the thread parks. Returns whether a task is queued. Subtracts the time from
/// `limit`.
bool core_shared::spin(max_wait& limit) {
    const auto most = std::min(settings_.spin, limit.value_or(settings_.spin));
    if (most <= most.zero()) return false;
    const auto begin = std::chrono::steady_clock::now();
    do {
        look_at_driver(std::chrono::nanoseconds::zero());
        drain_inbound(polls_between_ticks);
        if (has_queued()) return true;
    } while (std::chrono::steady_clock::now() - begin < most);
    if (limit) *limit -= most;
    return false;
}

/// Runs a driver tick while tasks are queued, but not more often than once in core_look_interval, because a driver tick
/// costs as much as many polls.
void core_shared::look_if_due() {
    const auto now = std::chrono::steady_clock::now();
    if (now - last_look_ < core_look_interval) return;
    last_look_ = now;
    look_at_driver(std::chrono::nanoseconds::zero());
}

/// Runs one driver tick that waits for at most `limit`, and fires the timers.
void core_shared::look_at_driver(max_wait limit) {
    ++counters_.turns;
    const bool may_be_endless = !limit && endless_wait::is_reported();
    if (may_be_endless) limit = endless_wait_.begin(counters_.polls);
    result<std::size_t> events = std::size_t{0};
    if (io() == nullptr) {
        place_->park(limit);
    } else {
        events = io()->tick(limit);
    }
    if (may_be_endless) endless_wait_.end();
    looks_at_spawns_ = true;
    if (!events)
        throw std::system_error(events.error(), std::string("eddy: ") + tick_failed(settings_.driver, events.error()));
    const std::size_t timers = time_->fire();
    if (!log_.is_on()) return;
    if (*events != 0) log_.note(trace::event_kind::io_event, 0, *events);
    if (timers != 0) log_.note(trace::event_kind::timer, 0, timers);
}

endless_wait::state core_shared::sleep_state() noexcept {
    const bool calls_hook = settings_.observes != nullptr &&
                            (settings_.observes->hooks.before_park || settings_.observes->hooks.after_unpark);
    if (calls_hook || inbound_.has_nodes() || time_->next_deadline()) return {};
    return io() == nullptr ? 0 : io()->sleep_state();
}

void core_shared::close() noexcept {
    if (!is_on_own_thread()) {
        const bool has_run = *run_at_.file_name() != '\0';
        std::string text =
            "a core was destroyed on another thread than the one that made it, to which its tasks belong: destroy it "
            "on that thread, or use a core_thread, which may be destroyed on any thread. The core was ";
        text += has_run ? "last run" : "made";
        fatal_misuse(text, has_run ? run_at_ : settings_.made_at);
    }
    if (is_running()) {
        fatal_misuse(
            "a core was destroyed by work that it runs: own the core outside of its tasks, and destroy it after run() "
            "has returned; to end the loop from a task, let the future of run() end, for example one that waits for a "
            "sync::cancellation_token. The loop was run",
            run_at_);
    }
    const bool reports_leaks = settings_.on_leaks && !is_copy_in_child();
    if (reports_leaks) pass_on_leaks(settings_.on_leaks, leaked_tasks(inspect::executor_kind::loop, id_));
    counters_.is_closed = true;
    // The loop counts as running on this thread, so that destructors of tasks use the owner halves of the reference
    // counts, as inside a run.
    core_shared* const outer = std::exchange(this_thread.running_loop, this);
    spawned_task_owner* const outer_owner = std::exchange(this_thread.runs_here, this);
    const executor_scope here({.runs = this, .time = time_.get()});
    const hidden_task_locals unbound;
    drain_all_inbound();
    for (spawned_task* task = inbound_.close(); task != nullptr;) arrive(*std::exchange(task, task->next_inbound));
    destroy_tasks();
    if (reports_leaks && io() != nullptr)
        pass_on_leaks(settings_.on_leaks,
                      leaked_descriptors(inspect::executor_kind::loop, id_, [this] { return io()->registered(); }));
    time_->shutdown();
    if (io() != nullptr) io()->shut_down();
    // Destroys the handlers on this thread, and not on the thread that releases the last reference.
    settings_.on_uncaught = nullptr;
    settings_.on_unobserved_error = nullptr;
    settings_.on_leaks = nullptr;
    destroy_tasks();  // the destructors of the handlers or of wakers may have spawned tasks
    this_thread.running_loop = outer;
    this_thread.runs_here = outer_owner;
    buffers_.reset();
}

// ---- Entry points for templates and other files ----

void retain(core_shared& loop) noexcept { loop.retain(); }
void release(core_shared& loop) noexcept { loop.release(); }
bool is_closed(const core_shared& loop) noexcept { return loop.is_closed() || loop.is_copy_in_child(); }

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

void check_may_await_answer(const core_shared& loop, bool has_arrived, std::source_location where) {
    if (this_thread.runs_tasks()) {
        throw nested_runtime(
            "get() of core_remote::call() was called on a thread that runs an event loop or a runtime's tasks, which "
            "it would block: spawn() the work there, let it send its result through a sync::oneshot, and await that",
            where);
    }
    if (loop.is_on_own_thread() && !has_arrived) {
        throw misuse(
            "get() of core_remote::call() was called on the thread of the event loop, which does not run meanwhile, so "
            "the work would never end: run the loop, core.run(), before get(), or call get() on another thread",
            where);
    }
}

void run_until_done(core_shared& loop, spawned_task& main, const bool& done, std::source_location where) {
    loop.run_until(main, done, where);
}

void run_until_idle(core_shared& loop, std::source_location where) { loop.run_until_idle(where); }

buffer_pool* current_buffer_pool() noexcept {
    core_shared* const loop = this_thread.running_loop;
    return loop == nullptr ? nullptr : &loop->buffers();
}

}  // namespace eddy::detail
