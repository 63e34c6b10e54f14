// SPDX-License-Identifier: MIT
#include "executor/pool/task_search.hpp"

#include <utility>

#include <eddy/task/scope_all.hpp>

#include "executor/pool/pool.hpp"
#include "executor/pool/worker.hpp"
#include "sys/pause_briefly.hpp"
#include "sys/thread.hpp"

namespace eddy::detail {
namespace {

// The number of checks takes about 5 us.
const unsigned spin_limit = sys::processor_count() > 1 ? 200 : 0;

}  // namespace

spawned_task* task_search::search() noexcept {
    worker_set& all = own_.owner().workers();
    if (all.size() > 1) {
        if (!is_searching_) is_searching_ = all.idle().transition_to_searching();
        if (!is_searching_) return nullptr;
    }
    spawned_task* found = steal();
    // A thread that injects a task sees a searching worker and makes no system call.
    for (unsigned spins = std::exchange(spins_, 0); found == nullptr && spins > 0; --spins) {
        sys::pause_briefly();
        if (!all.injected().is_empty()) found = own_.tasks().next_injected();
    }
    return found;
}

void task_search::stop_now() noexcept {
    is_searching_ = false;
    worker_set& all = own_.owner().workers();
    // A thread that pushed while this worker searched has woken no worker. If more tasks are queued, wake one now.
    if (all.idle().transition_from_searching() && all.have_queued_tasks()) all.notify_one();
}

void task_search::begin_notified(bool soon) noexcept {
    is_searching_ = true;
    if (soon) spins_ = spin_limit;
}

spawned_task* task_search::steal() noexcept {
    worker_set& all = own_.owner().workers();
    auto& queue = own_.tasks().queue_;
    const unsigned count = all.size();
    const auto start = static_cast<unsigned>(random_.below(count));
    for (unsigned i = 0; i < count; ++i) {
        worker& victim = all.at((start + i) % count);
        if (&victim == &own_) continue;
        if (spawned_task* const task = steal_child(victim)) {
            note_steals(1, *task, victim);
            return task;
        }
        if (spawned_task* const task = victim.tasks().queue_.steal_into(queue)) {
            note_steals(1 + queue.size(), *task, victim);
            return task;
        }
    }
    return own_.tasks().next_injected();
}

/// Takes a child of a scope from another worker.
spawned_task* task_search::steal_child(worker& victim) noexcept {
    if (spawned_task* const task = victim.tasks().children_.steal()) return task;
    offered_child* const child = victim.tasks().offers_.steal();
    if (child == nullptr) return nullptr;
    child->start(*child);  // puts the new task into the own child queue
    return own_.tasks().children_.pop();
}

void task_search::note_steals(std::size_t count, const spawned_task& task, const worker& victim) noexcept {
    own_.watch().stolen(count, task, victim.index());
}

void task_search::take_from_stalled(worker& stalled) noexcept {
    worker_tasks& tasks = own_.tasks();
    if (spawned_task* const task = stalled.tasks().lifo().take()) tasks.schedule(*task);
    if (spawned_task* const task = steal_child(stalled)) tasks.schedule(*task);
    if (!tasks.queue_.is_empty()) return;
    if (spawned_task* const task = stalled.tasks().queue_.steal_into(tasks.queue_)) tasks.schedule(*task);
}

}  // namespace eddy::detail
