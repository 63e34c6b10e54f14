// SPDX-License-Identifier: MIT
#include "executor/pool/worker.hpp"

#include <chrono>
#include <string>
#include <utility>

#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/runtime_context.hpp>

#include "executor/pool/pool.hpp"
#include "executor/task/run_task.hpp"

namespace eddy::detail {

worker::worker(pool& owner, unsigned index, worker_events::io_share&& io, bool shares_io, std::uint64_t seed,
               const stall_settings& stalls)
    : pool_(owner),
      index_(index),
      watch_(owner.observed_by(), "worker " + std::to_string(index) + " of runtime " + std::to_string(owner.id()),
             stalls),
      tasks_(owner, watch_),
      search_(owner.workers(), tasks_, watch_, index, seed + index),
      events_(*this, std::move(io), shares_io),
      seed_(seed + index) {}

void worker::enter_thread() noexcept {
    this_thread.worker = this;
    this_thread.runs_here = &pool_;
    this_thread.executor = {&pool_, &events_.time()};
    this_thread.poll_entry = __builtin_frame_address(0);
    events_.enter_thread();
    random_here = random_numbers(seed_++);
    watch_.watch_this_thread();
    watch_.begin_run();
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
    watch_.begin_poll();
    // SAFETY: the worker holds a reference to the task during the poll, so the borrowed waker needs none.
    const borrowed_waker waker(&spawned_task_waker, &task);
    context cx(waker.get(), tasks_.budget());
    const poll_end ended = poll_once(task, cx);
    if (is_here()) tasks_.keep_budget(cx.budget());
    return ended;
}

void worker::queue_again(spawned_task& task) noexcept {
    // The task woke itself, which is a yield. So it goes to the end of the queue and not into the LIFO slot.
    if (is_here()) {
        tasks_.push_back(task);
    } else {
        pool_.inject(task);
    }
}

bool worker::destroys_cancelled() const noexcept { return pool_.shutdown().is_closing(); }

[[gnu::noinline]] void worker::run_watched(spawned_task& task) noexcept {
    watched_runs with(*this, watch_);
    run_task(with, task);
}

bool worker::has_others() const noexcept { return pool_.workers().size() > 1; }

void worker::budget_used_up() noexcept {
    watch_.budget_used_up();
    events_.look_soon();
}

// ---- The loop ----

void worker::run() noexcept {
    enter_thread();
    watch_.begin_busy(std::chrono::steady_clock::now());
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
        watch_.is_on() ? run_watched(*task) : run_task(*this, *task);
        if (!is_here()) return pool_.threads().end_in_place();  // block_in_place has handed the worker over
    }
    is_ending_ = true;
    pool_.tasks().destroy_all(pool_);
    tasks_.give_up();
    events_.retire_ring();
    flush_freed_blocks();
    watch_.end_run();
    leave_thread();
    pool_.shutdown().workers_have_left(1);
}

void worker::service_stalled(worker& stalled) noexcept {
    search_.take_from_stalled(stalled.tasks_);
    stalled.events_.tick_for_stalled();
}

}  // namespace eddy::detail
