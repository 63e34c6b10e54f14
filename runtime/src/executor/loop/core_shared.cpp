// SPDX-License-Identifier: MIT
#include "executor/loop/core_shared.hpp"

#include <string>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/runtime/core_answer.hpp>
#include <eddy/task/task_local.hpp>

#include "executor/blocking/blocking.hpp"
#include "executor/park/sleeping_place.hpp"
#include "executor/reports/dump_on_signal.hpp"
#include "executor/reports/leaks.hpp"
#include "executor/task/uncaught.hpp"

namespace eddy::detail {

core_shared::core_shared(settings&& chosen)
    : executor(true),
      settings_(std::move(chosen)),
      watch_(settings_.observes.get(), settings_.stalls),
      park_(tasks_, watch_, settings_.io.get(), settings_.driver, settings_.spin, settings_.reports_deadlocks),
      buffers_(new buffer_pool),
      owner_(this_thread_mark()),
      tasks_(watch_) {
    start_dumps_on_signal();
    watch_.watch_this_thread();
    forget_wakers_in_children();
    if (settings_.start_paused) park_.time().pause();
    if (settings_.seed) random_.emplace(*settings_.seed);
    if (io() != nullptr) io()->belong_to(*this);
    tasks_.show_metrics_of(*this);
}

core_shared::~core_shared() = default;

void core_shared::release() noexcept {
    if (!references_.drop()) return;
    // A thread that has notified a task may not have finished schedule() yet.
    await_wakers_outside();
    delete this;
}

// ---- Tasks ----

void core_shared::adopt(spawned_task& task) noexcept {
    prepare(task);
    watch_.spawned(task);
    tasks_.enlist(task);  // the loop runs, or its close() does
    tasks_.push(task);
}

/// Destroys a task that the closed loop does not accept. Releases the references of the list and of the queue.
void core_shared::refuse(spawned_task& task) noexcept {
    static_cast<void>(local_state_of(task).transition_to_shutdown());
    destroy(task, 2);
}

void core_shared::schedule(spawned_task& task) noexcept {
    if (!is_running()) return schedule_elsewhere(task);
    watch_.woken(task);
    tasks_.schedule_here(task);
}

/// The part of schedule() for threads that do not run the loop. Not inlined: the loop's own wakes, which are most,
/// would save registers for it.
[[gnu::noinline]] void core_shared::schedule_elsewhere(spawned_task& task) noexcept {
    watch_.woken_elsewhere(task);
    if (!send(task))
        detail::release(task);  // closed: its tasks are destroyed, or will be on its thread; or a forked child
}

bool core_shared::send_new(spawned_task& task) noexcept {
    local_word::divide_for_inbound(task);
    if (send(task)) return true;
    refuse(task);
    return false;
}

bool core_shared::send(spawned_task& task) noexcept {
    if (is_copy_in_child()) return false;  // a wake-up would reach the parent's loop
    using pushed = loop_queues::inbound_tasks::pushed;
    const pushed how = tasks_.send(task);
    if (how == pushed::owner_is_parked) park_.unpark();
    return how != pushed::refused;
}

void core_shared::complete(spawned_task& task, std::uint64_t references) noexcept {
    complete_task(*this, task, references);
}

void core_shared::destroy(spawned_task& task, std::uint64_t references) noexcept {
    destroy_task(*this, task, references);
}

void core_shared::report(unread_failure failure, const std::source_location& where, std::string_view name) noexcept {
    pass_on(failure, where, name, settings_.on_uncaught, settings_.on_unobserved_error);
}

void core_shared::destroy_listed(spawned_task& task) noexcept {
    auto state = local_state_of(task);
    state.add_reference();  // see task_flags
    EDDY_ASSERT(state.transition_to_shutdown(), "core: a task is destroyed during its poll");
    destroy(task, 1);
}

void core_shared::destroy_all() noexcept {
    while (spawned_task* const task = tasks_.newest()) destroy_listed(*task);
    while (spawned_task* const task = tasks_.pop()) give_up_task(*this, *task);  // all queued tasks are complete
}

// ---- Runs: see also loop_run.cpp ----

void core_shared::begin_run(const std::source_location& where) noexcept {
    run_at_ = where;
    this_thread.running_loop = this;
    this_thread.runs_here = this;
    if (random_) std::swap(random_here, *random_);
    watch_.begin_run();
}

void core_shared::end_run() noexcept {
    watch_.end_run();
    // Submits what the tasks have written, because the thread may not run the loop again soon.
    if (io() != nullptr) io()->flush_ring();
    this_thread.running_loop = nullptr;
    this_thread.runs_here = nullptr;
    if (random_) std::swap(random_here, *random_);
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
    if (reports_leaks) pass_on_leaks(settings_.on_leaks, leaked_tasks(inspect::executor_kind::loop, id()));
    watch_.close();
    // The loop counts as running on this thread, so that destructors of tasks use the owner halves of the reference
    // counts, as inside a run.
    core_shared* const outer = std::exchange(this_thread.running_loop, this);
    spawned_task_owner* const outer_owner = std::exchange(this_thread.runs_here, this);
    const executor_scope here({.runs = this, .time = &park_.time()});
    const hidden_task_locals unbound;
    tasks_.close_inbound();
    destroy_all();
    if (reports_leaks && io() != nullptr)
        pass_on_leaks(settings_.on_leaks,
                      leaked_descriptors(inspect::executor_kind::loop, id(), [this] { return io()->registered(); }));
    park_.time().shutdown();
    if (io() != nullptr) io()->shut_down();
    // Destroys the handlers on this thread, and not on the thread that releases the last reference.
    settings_.on_uncaught = nullptr;
    settings_.on_unobserved_error = nullptr;
    settings_.on_leaks = nullptr;
    destroy_all();  // the destructors of the handlers or of wakers may have spawned tasks
    this_thread.running_loop = outer;
    this_thread.runs_here = outer_owner;
    buffers_.reset();
}

// ---- Entry points for templates and other files ----

void retain(core_shared& loop) noexcept { loop.retain(); }
void release(core_shared& loop) noexcept { loop.release(); }
bool is_closed(const core_shared& loop) noexcept { return loop.is_closed() || loop.is_copy_in_child(); }

spawned_task_owner& owner_of(core_shared& loop) noexcept { return loop; }
bool send_task(core_shared& loop, spawned_task& task) noexcept { return loop.send_new(task); }

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

buffer_pool* current_buffer_pool() noexcept {
    core_shared* const loop = this_thread.running_loop;
    return loop == nullptr ? nullptr : &loop->buffers();
}

held_clock::held_clock() noexcept {
    if (core_shared* const loop = this_thread.running_loop) place_ = loop->begin_job();
}

held_clock::~held_clock() {
    if (place_ != nullptr) place_->end_job();
}

}  // namespace eddy::detail
