// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/future/future.hpp>
#include <eddy/runtime/reactor.hpp>

#include "executor/pool/child_offers.hpp"
#include "executor/pool/child_queue.hpp"
#include "executor/pool/run_queue.hpp"
#include "executor/pool/watchdog.hpp"
#include "executor/pool/worker_offer.hpp"
#include "executor/pool/worker_statistics.hpp"
#include "executor/reports/endless_wait.hpp"
#include "executor/reports/event_log.hpp"
#include "executor/reports/stall_watch.hpp"
#include "executor/task/run_task.hpp"
#include "executor/task/spawn_time.hpp"
#include "reactor/io_handle.hpp"
#include "time/time_driver.hpp"

namespace eddy::detail {

class pool;
class sleeping_place;
struct offered_child;

#ifndef EDDY_RUN_QUEUE_CAPACITY
#define EDDY_RUN_QUEUE_CAPACITY 256  // test builds use 4, to reach the full and the wrapping ring
#endif

/// One worker of a pool: its run queue, child queue, LIFO slot, driver and timers. One thread at a time runs a worker.
/// block_in_place can hand the worker over to another thread (worker_offer). worker.cpp chooses and runs tasks,
/// worker_park.cpp waits, and watchdog.cpp watches other workers meanwhile.
///
///     member                   access
///     queue_, children_,       the thread that runs the worker pushes and pops; other workers steal
///     offers_
///     lifo_                    the thread that runs the worker; the watchdog worker, if this worker is stalled
///     io_, time_               the thread that runs the worker, the watchdog worker while this one is stalled, and for
///                              io_ the workers that share it; protected by the driver lock, time_ by its own lock
///     statistics_, log_        written by the thread that runs the worker; the counters and the events are read by any
///                              thread
///
/// Thread safety: as the sections of the class say.
class alignas(128) worker : public worker_offer {
public:
    using word = shared_word;  // of run_task.hpp

    using io_share = std::unique_ptr<io_handle, releasing>;

    /// `io` is null if the pool has no I/O. `shares_io`: other workers have the same driver. `seed` selects the random
    /// sequence of the worker.
    worker(pool& owner, unsigned index, io_share io, bool shares_io, std::uint64_t seed, const stall_settings& stalls);
    ~worker();

    /// Runs tasks until the pool closes, or until another thread has taken over the worker.
    void run() noexcept;

    // ---- On the worker's thread ----
    /// Queues a child of a scope, or the parent of a scope that has ended. The newest runs first.
    void schedule_child(spawned_task& task) noexcept;
    /// Lets other workers take a child of the scope that is being polled; see known_scope. Returns false if the queue
    /// of offers is full.
    [[nodiscard]] bool offer_child(offered_child& child) noexcept;
    [[nodiscard]] bool has_enough_offers() const noexcept { return offers_.has_enough(); }
    /// Withdraws the newest offer if it is that of `child`. Returns false if the child was taken, or
    /// was made a task by start_offered_children().
    [[nodiscard]] bool take_child_back(offered_child& child) noexcept { return offers_.take_back(child); }
    /// Makes the offered children tasks. Called before this thread hands the worker over during a poll.
    void start_offered_children() noexcept;
    /// Queues a woken task in the LIFO slot, so that it runs next while its data is in the cache. The former task of
    /// the slot goes to the end of the run queue, and so does `task` itself if the slot is disabled, or occupied while
    /// the worker parks.
    void schedule(spawned_task& task) noexcept;
    [[nodiscard]] pool& owner() const noexcept { return pool_; }
    // The functions that run_task() and cancel_task() call, for a worker that is not observed.
    [[nodiscard]] poll_end poll(spawned_task& task) noexcept;
    void queue_again(spawned_task& task) noexcept;
    [[nodiscard]] bool destroys_cancelled() const noexcept;
    /// Returns whether the worker has stopped polling because the pool is closing.
    [[nodiscard]] bool is_ending() const noexcept { return is_ending_; }
    /// Queues a task that was woken on this thread: by schedule(), or by schedule_child() inside wake_scope_parent().
    void schedule_woken(spawned_task& task) noexcept;
    /// Wakes the parent of a scope that has ended. The parent goes into the child queue.
    void wake_scope_parent(waker&& parent) noexcept {
        wakes_children_ = true;
        std::move(parent).wake();
        wakes_children_ = false;
    }
    /// Returns whether look_at_spawns() must be called.
    [[nodiscard]] bool looks_at_spawns() const noexcept { return looks_at_spawns_; }
    /// Reads the clock for the spawns that follow. Returns whether hooks, a histogram or the log want to know what the
    /// worker does. May be a few polls out of date.
    [[nodiscard]] bool look_at_spawns() noexcept {
        spawn_time_ = spawn_time::now();
        looks_at_spawns_ = is_observed_;
        return is_observed_;
    }
    [[nodiscard]] const spawn_time& time_of_spawns() const noexcept { return spawn_time_; }
    [[nodiscard]] event_log& log() noexcept { return log_; }
    /// Counts that the coop budget of the present poll is used up.
    void note_forced_yield() noexcept { statistics_.note_forced_yield(); }
    /// Makes the calling thread the one that runs the worker.
    void enter_thread() noexcept;
    /// Makes the calling thread run no worker.
    static void leave_thread() noexcept;

    // ---- Any thread ----
    [[nodiscard]] unsigned index() const noexcept { return index_; }
    [[nodiscard]] io_handle* io() const noexcept { return io_.get(); }
    [[nodiscard]] time_driver& time() const noexcept { return *time_; }
    [[nodiscard]] const worker_statistics& statistics() const noexcept { return statistics_; }
    [[nodiscard]] const stall_watch& stalls() const noexcept { return stalls_; }
    [[nodiscard]] stall_watch& stalls() noexcept { return stalls_; }
    /// Returns the number of queued tasks. May be out of date.
    [[nodiscard]] std::size_t queued() const noexcept {
        // relaxed: the pointer is only compared to null, for statistics.
        return queue_.size() + children_.size() + (lifo_.load(std::memory_order_relaxed) != nullptr ? 1 : 0);
    }
    /// Returns whether the worker holds a task that another worker can steal. The LIFO slot does not count.
    [[nodiscard]] bool has_queued() const noexcept {
        return !queue_.is_empty() || !children_.is_empty() || !offers_.is_empty();
    }
    void unpark() noexcept;
    /// As the watchdog of a stalled worker: takes some of its tasks, runs a driver tick for it, and fires its timers.
    /// Called on the thread that runs this worker.
    void service_stalled(worker& stalled) noexcept;
    /// See endless_wait.
    [[nodiscard]] endless_wait::state sleep_state() const noexcept;
    /// Makes a parked worker check soon whether a watchdog is needed. See watchdog.
    void call_as_watchdog() noexcept;
    /// Empties the queues of a closing pool.
    /// Preconditions: called on the thread that runs the worker, or after its last run().
    void give_up_queue() noexcept;
    /// Ends all waits on this worker's driver and timers.
    /// Preconditions: called after the last run().
    void shut_drivers() noexcept;

private:
    using ring = run_queue<spawned_task, EDDY_RUN_QUEUE_CAPACITY>;
    using time_point = std::chrono::steady_clock::time_point;

    // Choosing the next task
    [[nodiscard]] spawned_task* next_task() noexcept;
    [[nodiscard]] spawned_task* next_local() noexcept;
    [[nodiscard]] spawned_task* next_injected() noexcept;
    [[nodiscard]] spawned_task* search() noexcept;
    [[nodiscard]] spawned_task* steal() noexcept;
    [[nodiscard]] spawned_task* steal_child(worker& victim) noexcept;
    void note_steal(const spawned_task& task, const worker& victim) noexcept;
    void push_back(spawned_task& task) noexcept;
    [[nodiscard]] bool is_enough_for_two() const noexcept;
    [[nodiscard]] bool has_work() const noexcept;
    void stop_searching() noexcept;

    // Polling it
    class observed;
    void run_observed(spawned_task& task) noexcept;
    void note_woken(spawned_task& task) noexcept;
    void update_observed() noexcept;

    // Waiting
    void look_if_due() noexcept;
    void look_at_driver(max_wait limit, max_wait alarm = std::nullopt) noexcept;
    void note_tick(std::size_t events, std::size_t timers) noexcept;
    void park() noexcept;
    [[nodiscard]] time_point sleep_until_needed(time_point parked_at) noexcept;
    [[nodiscard]] max_wait time_to_sleep() const noexcept;

    [[nodiscard]] worker_counters& counters() noexcept { return statistics_.counters(); }

    pool& pool_;
    const unsigned index_;

    const io_share io_;
    const std::unique_ptr<sleeping_place, releasing> place_;
    const std::unique_ptr<time_driver, releasing> time_;

    ring queue_;
    child_queue<spawned_task, EDDY_RUN_QUEUE_CAPACITY> children_;
    child_offers<EDDY_RUN_QUEUE_CAPACITY> offers_;  // of the scopes that are being polled on this thread
    atomic<spawned_task*> lifo_{nullptr};
    worker_statistics statistics_;
    event_log log_;

    // Accessed only by the thread that runs the worker.
    std::uint64_t tick_ = 0;
    unsigned polls_to_look_;      // polls until the next check whether a driver tick is due
    unsigned polls_to_injected_;  // polls until the injection queue comes before the local queues
    unsigned lifo_streak_ = 0;
    std::uint32_t budget_left_ = 0;
    random_numbers random_;  // for stealing; separate from random_here, so that stealing does not change its sequence
    std::uint64_t seed_;     // of the generator of the thread that runs the worker next
    unsigned spins_ = 0;     // how often to check for injected tasks before the next park
    bool is_searching_ = false;
    bool is_parking_ = false;
    bool wakes_children_ = false;
    bool is_ending_ = false;
    bool is_observed_;
    bool looks_at_spawns_ = true;
    spawn_time spawn_time_;
    time_point last_look_{};
    watchdog watchdog_{*this};
    endless_wait endless_wait_{*this};
    stall_watch stalls_;
};

}  // namespace eddy::detail
