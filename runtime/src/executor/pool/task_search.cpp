// SPDX-License-Identifier: MIT
#include "executor/pool/task_search.hpp"

#include <utility>

#include <eddy/task/scope_all.hpp>

#include "executor/pool/worker.hpp"
#include "executor/pool/worker_set.hpp"
#include "sys/pause_briefly.hpp"
#include "sys/thread.hpp"

namespace eddy::detail {
namespace {

// The number of checks takes about 5 us.
const unsigned spin_limit = sys::processor_count() > 1 ? 200 : 0;

}  // namespace

spawned_task* task_search::search() noexcept {
    if (all_.size() > 1) {
        if (!is_searching_) is_searching_ = all_.idle().transition_to_searching();
        if (!is_searching_) return nullptr;
    }
    spawned_task* found = steal();
    // A thread that injects a task sees a searching worker and makes no system call.
    for (unsigned spins = std::exchange(spins_, 0); found == nullptr && spins > 0; --spins) {
        sys::pause_briefly();
        if (!all_.injected().is_empty()) found = tasks_.next_injected();
    }
    return found;
}

void task_search::stop_now() noexcept {
    is_searching_ = false;
    // A thread that pushed while this worker searched has woken no worker. If more tasks are queued, wake one now.
    if (all_.idle().transition_from_searching() && all_.have_queued_tasks()) all_.notify_one();
}

void task_search::begin_notified(bool soon) noexcept {
    is_searching_ = true;
    if (soon) spins_ = spin_limit;
}

spawned_task* task_search::steal() noexcept {
    auto& queue = tasks_.queue_;
    const unsigned count = all_.size();
    const auto start = static_cast<unsigned>(random_.below(count));
    for (unsigned i = 0; i < count; ++i) {
        const unsigned from = (start + i) % count;
        if (from == index_) continue;
        worker_tasks& victim = all_.at(from).tasks();
        if (spawned_task* const task = steal_child(victim)) {
            watch_.stolen(1, *task, from);
            return task;
        }
        if (spawned_task* const task = victim.queue_.steal_into(queue)) {
            watch_.stolen(1 + queue.size(), *task, from);
            return task;
        }
    }
    return tasks_.next_injected();
}

/// Takes a child of a scope from another worker.
spawned_task* task_search::steal_child(worker_tasks& victim) noexcept {
    if (spawned_task* const task = victim.children_.steal()) return task;
    offered_child* const child = victim.offers_.steal();
    if (child == nullptr) return nullptr;
    child->start(*child);  // puts the new task into the own child queue
    return tasks_.children_.pop();
}

void task_search::take_from_stalled(worker_tasks& stalled) noexcept {
    if (spawned_task* const task = stalled.lifo_.take()) tasks_.schedule(*task);
    if (spawned_task* const task = steal_child(stalled)) tasks_.schedule(*task);
    if (!tasks_.queue_.is_empty()) return;
    if (spawned_task* const task = stalled.queue_.steal_into(tasks_.queue_)) tasks_.schedule(*task);
}

}  // namespace eddy::detail
