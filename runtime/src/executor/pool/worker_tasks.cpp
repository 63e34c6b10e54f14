// SPDX-License-Identifier: MIT
#include "executor/pool/worker_tasks.hpp"

#include <algorithm>
#include <utility>

#include <eddy/error.hpp>

#include "executor/pool/pool.hpp"
#include "executor/watch/worker_watch.hpp"

namespace eddy::detail {
namespace {

// One of this many polls checks the run queue before the child queue.
constexpr unsigned child_fairness = 2;

// Estimated time from the wake-up of another worker to its first poll.
constexpr std::uint64_t wake_up_cost_ns = 20'000;

}  // namespace

worker_tasks::worker_tasks(pool& owner, worker_watch& watch) noexcept
    : pool_(owner), watch_(watch), polls_to_injected_(owner.settings().global_interval) {}

// ---- Queueing ----

void worker_tasks::schedule(spawned_task& task) noexcept {
    if (!pool_.settings().has_lifo_slot) [[unlikely]] {
        push_back(task);
        if (!is_parking_) pool_.workers().notify_if_useful();
        return;
    }
    if (lifo_.is_empty()) return lifo_.fill(task);
    if (is_parking_) return push_back(task);  // the tasks that a tick has woken run in its order
    // A single task stays here. To wake another worker for it would probably take longer than to run it.
    if (spawned_task* const former = lifo_.replace(task)) push_back(*former);
}

void worker_tasks::push_back(spawned_task& task) noexcept {
    if (!queue_.push(&task)) {
        watch_.overflowed();
        pool_.inject(task);
        return;
    }
    if (!is_parking_ && is_enough_for_two()) pool_.workers().notify_if_useful();
}

bool worker_tasks::is_enough_for_two() const noexcept {
    return queue_.size() * watch_.mean_poll_ns() > wake_up_cost_ns;
}

void worker_tasks::schedule_child(spawned_task& task) noexcept {
    if (!children_.push(&task)) return push_back(task);
    if (!is_parking_ && children_.size() > 1) pool_.workers().notify_if_useful();
}

void worker_tasks::wake_scope_parent(waker&& parent) noexcept {
    wakes_children_ = true;
    std::move(parent).wake();
    wakes_children_ = false;
}

bool worker_tasks::offer(offered_child& child) noexcept { return offers_.push(child, pool_.workers()); }

// ---- Choosing ----

spawned_task* worker_tasks::next_local() noexcept {
    if (!lifo_.is_empty()) {
        if (spawned_task* const task = lifo_.take()) {
            if (lifo_.continue_streak()) return task;
            push_back(*task);
        }
    }
    lifo_.end_streak();
    // Alternates between the two queues. Otherwise children that start more children (newest first) would overtake all
    // tasks that were queued before.
    if (tick_ % child_fairness == 0) {
        if (spawned_task* const task = queue_.pop()) return task;
    }
    if (spawned_task* const task = children_.pop()) return task;
    return queue_.pop();
}

spawned_task* worker_tasks::next_injected() noexcept {
    injection_queue& from = pool_.workers().injected();
    const std::size_t waiting = from.size();
    if (waiting == 0) return nullptr;
    // A fair share, limited to half of the ring's spare capacity. The added 1 is the task that is returned.
    const std::size_t share = std::min(waiting / pool_.workers().size() + 1, queue_.room() / 2 + 1);
    spawned_task* first = nullptr;
    std::size_t count = 0;
    from.pop(share, [&](spawned_task& task) {
        if (first == nullptr) {
            first = &task;
        } else {
            ++count;
            EDDY_ASSERT(queue_.push(&task), "worker: the ring had less spare capacity than room() returned");
        }
    });
    if (count > 0) pool_.workers().notify_one();
    return first;
}

spawned_task* worker_tasks::next() noexcept {
    ++tick_;
    // A countdown, because a division by a variable takes longer than the rest of this function.
    if (--polls_to_injected_ == 0) [[unlikely]] {
        polls_to_injected_ = pool_.settings().global_interval;
        if (spawned_task* const task = next_injected()) return task;
    }
    if (spawned_task* const task = next_local()) return task;
    return next_injected();
}

void worker_tasks::give_up() noexcept {
    if (spawned_task* const task = lifo_.take()) pool_.give_up(*task);
    while (spawned_task* const task = children_.pop()) pool_.give_up(*task);
    while (spawned_task* const task = queue_.pop()) pool_.give_up(*task);
}

}  // namespace eddy::detail
