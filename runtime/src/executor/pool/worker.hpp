// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/pool/task_search.hpp"
#include "executor/pool/worker_events.hpp"
#include "executor/pool/worker_offer.hpp"
#include "executor/pool/worker_tasks.hpp"
#include "executor/task/run_task.hpp"
#include "executor/watch/worker_watch.hpp"

namespace eddy::detail {

class pool;

/// One worker of a pool: chooses a task, polls it, and parks if there is none. One thread at a time runs a worker.
/// block_in_place can hand the worker over to another thread (worker_offer).
///
///     part        what it is                                              other threads
///     tasks()     the tasks that wait: LIFO slot, run queue, children     steal some, and ask whether there are any
///     search()    the search for tasks of other workers                   -
///     events()    driver, timers, parking; watching stalled workers       unpark it; share the driver
///     watch()     counts, and is told what happens                        read the counters
///
/// Thread safety: as the sections of the class and the parts say.
class alignas(128) worker : public worker_offer {
public:
    using word = shared_word;  // of run_task.hpp

    /// `io` and `shares_io`: see worker_events. `seed` selects the random sequence of the worker.
    worker(pool& owner, unsigned index, worker_events::io_share&& io, bool shares_io, std::uint64_t seed,
           const stall_settings& stalls);

    // ---- On the worker's thread ----
    /// Runs tasks until the pool closes, or until another thread has taken over the worker.
    void run() noexcept;
    /// Makes the calling thread the one that runs the worker.
    void enter_thread() noexcept;
    /// Makes the calling thread run no worker.
    static void leave_thread() noexcept;
    /// Returns whether the worker has stopped polling because the pool is closing.
    [[nodiscard]] bool is_ending() const noexcept { return is_ending_; }
    /// As the watchdog of a stalled worker: takes some of its tasks, runs a driver tick for it, and fires its timers.
    /// Called on the thread that runs this worker.
    void service_stalled(worker& stalled) noexcept;
    void spawned(spawned_task& task) noexcept { watch_.spawned(task); }
    /// Queues a task that was woken on this thread.
    void schedule_woken(spawned_task& task) noexcept {
        watch_.woken(task);
        tasks_.schedule_woken(task);
    }
    /// The coop budget of the present poll is used up: the poll was long.
    void budget_used_up() noexcept;
    // The functions that run_task(), cancel_task() and watched_runs call.
    [[nodiscard]] poll_end poll(spawned_task& task) noexcept;
    void queue_again(spawned_task& task) noexcept;
    [[nodiscard]] bool destroys_cancelled() const noexcept;
    /// Returns whether this thread still runs the worker.
    [[nodiscard]] bool is_here() const noexcept { return this_thread.worker == this; }

    // ---- Any thread ----
    [[nodiscard]] pool& owner() const noexcept { return pool_; }
    [[nodiscard]] unsigned index() const noexcept { return index_; }
    /// Returns whether the pool has more workers.
    [[nodiscard]] bool has_others() const noexcept;
    [[nodiscard]] worker_tasks& tasks() noexcept { return tasks_; }
    [[nodiscard]] task_search& search() noexcept { return search_; }
    [[nodiscard]] worker_events& events() noexcept { return events_; }
    [[nodiscard]] const worker_events& events() const noexcept { return events_; }
    [[nodiscard]] worker_watch& watch() noexcept { return watch_; }

private:
    void run_watched(spawned_task& task) noexcept;

    pool& pool_;
    const unsigned index_;
    worker_watch watch_;
    worker_tasks tasks_;
    task_search search_;
    worker_events events_;
    std::uint64_t seed_;  // of random_here of the thread that runs the worker next
    bool is_ending_ = false;
};

}  // namespace eddy::detail
