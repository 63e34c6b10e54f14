// SPDX-License-Identifier: MIT
#include "executor/pool/worker.hpp"

#include <chrono>
#include <string>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/runtime_context.hpp>

#include "executor/pool/pool.hpp"
#include "executor/task/observer.hpp"
#include "executor/task/run_task.hpp"

namespace eddy::detail {

worker::worker(pool& owner, unsigned index, worker_events::io_share io, bool shares_io, std::uint64_t seed,
               const stall_settings& stalls)
    : pool_(owner),
      index_(index),
      tasks_(owner, *this),
      notes_(owner.observed_by(), "worker " + std::to_string(index) + " of runtime " + std::to_string(owner.id()),
             stalls),
      search_(*this, seed + index),
      events_(*this, std::move(io), shares_io),
      seed_(seed + index) {}

void worker::enter_thread() noexcept {
    this_thread.worker = this;
    this_thread.runs_here = &pool_;
    this_thread.executor = {&pool_, &events_.time()};
    this_thread.poll_entry = __builtin_frame_address(0);
    events_.enter_thread();
    random_here = random_numbers(seed_++);
    notes_.stalls().watch_this_thread();
    notes_.stalls().begin_run();
}

void worker::leave_thread() noexcept {
    this_thread.worker = nullptr;
    this_thread.runs_here = nullptr;
    this_thread.executor = {};
    this_thread.poll_entry = nullptr;
}

// ---- Polling a task ----

// Forced inlining: see run_task.hpp.
[[gnu::always_inline]] inline poll_end worker::poll(spawned_task& task) noexcept {
    add_to(notes_.statistics().counters().polls, 1);
    // SAFETY: the worker holds a reference to the task during the poll, so the borrowed waker needs none.
    const borrowed_waker waker(&spawned_task_waker, &task);
    context cx(waker.get(), tasks_.lifo().budget());
    const poll_end ended = poll_once(task, cx);
    if (this_thread.worker == this) tasks_.lifo().keep_budget(cx.budget());
    return ended;
}

void worker::queue_again(spawned_task& task) noexcept {
    // The task woke itself, which is a yield. So it goes to the end of the queue and not into the LIFO slot.
    if (this_thread.worker == this) {
        tasks_.push_back(task);
    } else {
        pool_.inject(task);
    }
}

bool worker::destroys_cancelled() const noexcept { return pool_.shutdown().is_closing(); }

/// The policy of run_task() for a worker that is observed: calls the hooks, measures the poll, and notes events.
class worker::observed {
public:
    using word = worker::word;

    explicit observed(worker& runs) noexcept : worker_(runs) {}

    [[nodiscard]] poll_end poll(spawned_task& task) noexcept {
        log().note(trace::event_kind::poll_begin, task.id);
        const poll_end ended = observer::observed(
            owner().observed_by(), task, worker_.notes().statistics().durations(), [&] { return worker_.poll(task); },
            [&] { return is_here(); });
        if (is_here()) log().note(trace::event_kind::poll_end, task.id, ended == poll_end::has_ended ? 1 : 0);
        return ended;
    }
    void queue_again(spawned_task& task) noexcept {
        if (is_here()) log().note(trace::event_kind::wake, task.id);
        worker_.queue_again(task);
    }
    [[nodiscard]] bool destroys_cancelled() const noexcept { return worker_.destroys_cancelled(); }
    [[nodiscard]] pool& owner() noexcept { return worker_.owner(); }

private:
    /// Returns whether this thread still runs the worker. If not, another thread writes its statistics and its log, and
    /// most of the time of the poll was blocking work.
    [[nodiscard]] bool is_here() const noexcept { return this_thread.worker == &worker_; }
    [[nodiscard]] event_log& log() noexcept { return worker_.notes().log(); }

    worker& worker_;
};

[[gnu::noinline]] void worker::run_observed(spawned_task& task) noexcept {
    observed with(*this);
    run_task(with, task);
}

// ---- The loop ----

void worker::run() noexcept {
    enter_thread();
    notes_.statistics().note_start(std::chrono::steady_clock::now());
    for (;;) {
        events_.look_sometimes();
        spawned_task* task = tasks_.next();
        if (task == nullptr) task = search_.search();
        // This check follows the choice of a task: a task that shuts the pool down and then yields is not polled again,
        // not even by a worker that steals it.
        if (pool_.shutdown().is_closing()) {
            search_.stop();
            if (task != nullptr) tasks_.push_back(*task);  // given up below, with the rest of the queue
            break;
        }
        if (task == nullptr) {
            events_.park();
            continue;
        }
        search_.stop();
        notes_.is_observed() ? run_observed(*task) : run_task(*this, *task);
        if (this_thread.worker != this)
            return pool_.threads().end_in_place();  // block_in_place has handed the worker over
    }
    is_ending_ = true;
    pool_.tasks().destroy_all();
    tasks_.give_up();
    if (events_.io() != nullptr) events_.io()->retire_ring();
    flush_freed_blocks();
    notes_.stalls().end_run();
    leave_thread();
    pool_.shutdown().workers_have_left(1);
}

void worker::service_stalled(worker& stalled) noexcept {
    search_.take_from_stalled(stalled);
    if (stalled.events_.io() != nullptr) static_cast<void>(stalled.events_.io()->tick_for_busy_owner());
    static_cast<void>(stalled.events_.time().fire());
}

}  // namespace eddy::detail
