// SPDX-License-Identifier: MIT
#include "executor/pool/pool_idleness.hpp"

#include <mutex>

#include "executor/pool/pool_shutdown.hpp"
#include "executor/pool/pool_tasks.hpp"
#include "executor/reports/endless_wait.hpp"

namespace eddy::detail {

void pool_idleness::count_blocking(bool begins) noexcept {
    // seq_cst: a store-load pair. This function counts an end, then loads is_awaited_. A waiter stores is_awaited_ in
    // notify_on_each_end(), then loads the counters in alive(). If both loads read the old values, the waiter would not
    // be notified of the last end.
    (begins ? blocking_begun_ : blocking_ended_).fetch_add(1, std::memory_order_seq_cst);
    if (!begins && is_awaited_.load(std::memory_order_seq_cst)) after_end();
}

/// Returns how many tasks and blocking jobs are alive. If the result is zero, it was exact at some moment during the
/// call, because the ends are read before the beginnings and no counter ever decreases.
/// Source: Mattern, "Algorithms for distributed termination detection" (Distributed Computing 2, 1987).
std::uint64_t pool_idleness::alive(bool with_background) const noexcept {
    // seq_cst: see count_blocking(). The acquire loads of the lists keep the order of ends and beginnings.
    std::uint64_t ended = blocking_ended_.load(std::memory_order_seq_cst);
    for (const task_list& each : tasks_.lists()) ended += with_background ? each.ended() : each.foreground_ended();
    std::uint64_t begun = blocking_begun_.load(std::memory_order_seq_cst);
    for (const task_list& each : tasks_.lists()) begun += with_background ? each.spawned() : each.foreground_spawned();
    return begun - ended;
}

/// Makes each later end of a task or of blocking work call after_end().
void pool_idleness::notify_on_each_end() noexcept {
    // seq_cst: see count_blocking().
    is_awaited_.store(true, std::memory_order_seq_cst);
    // For tasks, the locks of the lists have the effect of that store-load pair. A task that was removed before
    // synchronize() is counted as ended. A thread that removes a task later sees the flag.
    for (task_list& each : tasks_.lists()) each.synchronize();
    // acq_rel: pairs with after_end(). The caller sees what ended before an earlier call of that function. A later call
    // sees what the caller has seen: the ends that called nothing, because they came before synchronize().
    ends_.fetch_add(1, std::memory_order_acq_rel);
}

void pool_idleness::after_end() noexcept {
    if (process_.is_from_parent()) return;
    // acq_rel: pairs with itself and with notify_on_each_end(). Of two threads that end the last two tasks, the second
    // one also sees the counter that the first one has changed. Without this, each could see a task alive.
    ends_.fetch_add(1, std::memory_order_acq_rel);
    // relaxed: cancel_all() stores this before it changes ends_.
    if (alive(false) != 0 && alive(true) > caller_of_cancel_.load(std::memory_order_relaxed)) return;
    bool closes = false;
    {
        const std::lock_guard guard(lock_);
        changed_.notify_all();
        closes = closes_when_idle_ && alive(false) == 0;
    }
    if (closes) shutdown_.begin();
}

void pool_idleness::note_closed() noexcept {
    const std::lock_guard guard(lock_);
    changed_.notify_all();
}

void pool_idleness::wait() noexcept {
    notify_on_each_end();
    std::unique_lock guard(lock_);
    wait_or_report(changed_, guard, [this] { return alive(false) == 0 || shutdown_.has_closed(); });
}

void pool_idleness::close_when_idle() noexcept {
    if (process_.is_from_parent()) return;
    {
        const std::lock_guard guard(lock_);
        closes_when_idle_ = true;
    }
    notify_on_each_end();
    after_end();
}

void pool_idleness::cancel_all(std::chrono::steady_clock::time_point deadline, bool works_here) noexcept {
    if (process_.is_from_parent()) return;
    const std::uint64_t self = works_here ? 1 : 0;
    // relaxed: see after_end().
    caller_of_cancel_.store(self, std::memory_order_relaxed);
    tasks_.close();  // first, because a task that is added later would not be cancelled
    tasks_.abort_all();
    notify_on_each_end();
    std::unique_lock guard(lock_);
    changed_.wait_until(guard, deadline, [&] { return alive(true) <= self; });
}

}  // namespace eddy::detail
