// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/task/detail/spawned_task.hpp>

#include "executor/pool/child_offers.hpp"
#include "executor/pool/child_queue.hpp"
#include "executor/pool/lifo_slot.hpp"
#include "executor/pool/queue_capacity.hpp"
#include "executor/pool/run_queue.hpp"

namespace eddy::detail {

class pool;
class worker_watch;

/// The tasks that wait for one worker. Decides where a task goes, which one is next, and whether another worker is
/// woken to help.
///
///     member                   access
///     lifo_                    the thread that runs the worker; the watchdog worker, if this worker is stalled
///     queue_, children_,       the thread that runs the worker pushes and pops; other workers steal (task_search)
///     offers_
///
/// Thread safety: as the sections of the class say.
class worker_tasks : immovable {
public:
    /// `watch` must outlive this object.
    worker_tasks(pool& owner, worker_watch& watch) noexcept;

    // ---- On the worker's thread ----
    /// Queues a task in the LIFO slot, so that it runs next while its data is in the cache. The former task of the slot
    /// goes to the end of the run queue, and so does `task` itself if the slot is disabled, or occupied while the
    /// worker parks.
    void schedule(spawned_task& task) noexcept;
    /// Queues a child of a scope, or the parent of a scope that has ended. The newest runs first.
    void schedule_child(spawned_task& task) noexcept;
    /// Queues a task that was woken on this thread: by schedule(), or by schedule_child() inside wake_scope_parent().
    void schedule_woken(spawned_task& task) noexcept { wakes_children_ ? schedule_child(task) : schedule(task); }
    /// Wakes the parent of a scope that has ended. The parent goes into the child queue.
    void wake_scope_parent(waker&& parent) noexcept;
    /// Queues a task at the end of the run queue; if that is full, of the injection queue.
    void push_back(spawned_task& task) noexcept;
    /// The worker parks, or no longer does. Meanwhile its pushes need not wake another worker.
    void begin_park() noexcept { is_parking_ = true; }
    void end_park() noexcept { is_parking_ = false; }
    /// Returns the coop budget of the next poll, see lifo_slot; and stores what that has left.
    [[nodiscard]] std::uint32_t budget() const noexcept { return lifo_.budget(); }
    void keep_budget(std::uint32_t left) noexcept { lifo_.keep_budget(left); }

    // The children that scopes offer, see child_offers.
    [[nodiscard]] bool has_enough_offers() const noexcept { return offers_.has_enough(); }
    [[nodiscard]] bool offer(offered_child& child) noexcept;
    [[nodiscard]] bool take_back(offered_child& child) noexcept { return offers_.take_back(child); }
    void start_offers() noexcept { offers_.start_all(); }
    /// Takes the task that runs next out of its queue. Returns null if there is none, also in the injection queue.
    [[nodiscard]] spawned_task* next() noexcept;
    /// Takes a share of the injection queue. Returns one of its tasks, or null.
    [[nodiscard]] spawned_task* next_injected() noexcept;
    [[nodiscard]] bool is_empty() const noexcept {
        return lifo_.is_empty() && queue_.is_empty() && children_.is_empty();
    }
    /// Returns whether the queued tasks will probably take longer than the wake-up of another worker. The estimate uses
    /// the mean duration of recent polls.
    [[nodiscard]] bool is_enough_for_two() const noexcept;

    // ---- Any thread ----
    /// Returns the number of tasks. May be out of date.
    [[nodiscard]] std::size_t size() const noexcept {
        return queue_.size() + children_.size() + (lifo_.is_empty() ? 0 : 1);
    }
    /// Returns whether there is a task that another worker can steal. The LIFO slot does not count.
    [[nodiscard]] bool can_be_stolen() const noexcept {
        return !queue_.is_empty() || !children_.is_empty() || !offers_.is_empty();
    }
    /// Empties the queues of a closing pool.
    /// Preconditions: called on the thread that runs the worker, or after its last run().
    void give_up() noexcept;

private:
    friend class task_search;

    [[nodiscard]] spawned_task* next_local() noexcept;

    pool& pool_;
    worker_watch& watch_;
    run_queue<spawned_task, most_queued> queue_{0, queue_capacity};
    child_queue<spawned_task, most_queued> children_{queue_capacity};
    child_offers offers_;  // of the scopes that are being polled on this thread
    lifo_slot lifo_;
    std::uint64_t tick_ = 0;
    unsigned polls_to_injected_;  // polls until the injection queue comes before the local queues
    bool wakes_children_ = false;
    bool is_parking_ = false;
};

}  // namespace eddy::detail
