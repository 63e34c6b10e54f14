// SPDX-License-Identifier: MIT
#include "executor/pool/pool.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/detail/runtime_context.hpp>

#include "executor/reports/endless_wait.hpp"
#include "executor/reports/leaks.hpp"
#include "executor/task/run_task.hpp"

// The detection of an idle pool, and the end of a pool.

namespace eddy::detail {

// ---- Idle ----

void pool::count_blocking(bool begins) noexcept {
    // seq_cst: a store-load pair. This function counts an end, then loads idleness_.is_awaited. A waiter stores
    // idleness_.is_awaited in notify_on_each_end(), then loads the counters in alive(). If both loads read the old
    // values, the waiter would not be notified of the last end.
    (begins ? idleness_.blocking_begun : idleness_.blocking_ended).fetch_add(1, std::memory_order_seq_cst);
    if (!begins && idleness_.is_awaited.load(std::memory_order_seq_cst)) after_end();
}

/// Returns how many tasks and blocking jobs are alive. If the result is zero, it was exact at some moment during the
/// call, because the ends are read before the beginnings and no counter ever decreases.
/// Source: Mattern, "Algorithms for distributed termination detection" (Distributed Computing 2, 1987).
std::uint64_t pool::alive(bool with_background) const noexcept {
    // seq_cst: see count_blocking(). The acquire loads of the lists keep the order of ends and beginnings.
    std::uint64_t ended = idleness_.blocking_ended.load(std::memory_order_seq_cst);
    for (unsigned i = 0; i < list_count(); ++i) {
        ended += with_background ? lists_[i].ended() : lists_[i].foreground_ended();
    }
    std::uint64_t begun = idleness_.blocking_begun.load(std::memory_order_seq_cst);
    for (unsigned i = 0; i < list_count(); ++i) {
        begun += with_background ? lists_[i].spawned() : lists_[i].foreground_spawned();
    }
    return begun - ended;
}

bool pool::keeps_busy_here() const noexcept {
    if (worker_of(*this) != nullptr || this_thread.blocking_work_of == this || this_thread.ends_worker_of == this)
        return true;
    if (this_thread.in_place_of != this) return false;
    const spawned_task* const task = polled_task::outermost();
    return task == nullptr || !task_state<shared_word>::is_background(*task);
}

/// Makes each later end of a task or of blocking work call after_end().
void pool::notify_on_each_end() noexcept {
    // seq_cst: see count_blocking().
    idleness_.is_awaited.store(true, std::memory_order_seq_cst);
    // For tasks, the locks of the lists have the effect of that store-load pair. A task that was removed before
    // synchronize() is counted as ended. A thread that removes a task later sees the flag.
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].synchronize();
}

void pool::after_end() noexcept {
    if (is_in_child()) return;
    // acq_rel: pairs with itself. Of two threads that end the last two tasks, the second one also sees the counter that
    // the first one has changed. Without this, each could see a task alive.
    idleness_.ends.fetch_add(1, std::memory_order_acq_rel);
    // seq_cst: a store-load pair with cancel_all(), which stores this and then loads the counters. See
    // count_blocking().
    if (alive(false) != 0 && alive(true) > idleness_.caller_of_cancel.load(std::memory_order_seq_cst)) return;
    bool closes = false;
    {
        const std::lock_guard guard(lock_);
        changed_.notify_all();
        closes = closes_when_idle_ && alive(false) == 0;
    }
    if (closes) begin_shutdown();
}

void pool::wait_until_idle() noexcept {
    notify_on_each_end();
    std::unique_lock guard(lock_);
    // relaxed: `closed` is stored under lock_.
    wait_or_report(changed_, guard,
                   [this] { return alive(false) == 0 || phase_.load(std::memory_order_relaxed) == phase::closed; });
}

void pool::close_when_idle() noexcept {
    if (is_in_child()) return;
    {
        const std::lock_guard guard(lock_);
        closes_when_idle_ = true;
    }
    notify_on_each_end();
    after_end();
}

// ---- The end ----

/// Returns whether the close of the pool waits for nothing but the caller's poll, which is in block_in_place.
/// Preconditions: lock_ is held.
bool pool::waits_for_this_poll() const noexcept {
    if (workers_out_ == size()) return false;
    unsigned others = size() - workers_out_ - left_ + in_place_ - 1;
    for (const held_up* one = held_up_; one != nullptr; one = one->next_) {
        if (one->is_waiting_(one->argument_)) --others;
    }
    return others == 0;
}

/// Returns whether all workers have left run(), no task is polled, and no thread will call a hook.
/// Preconditions: lock_ is held.
bool pool::is_closed() const noexcept {
    // relaxed: phase_ is set to `closed` under lock_, which the caller holds.
    return phase_.load(std::memory_order_relaxed) == phase::closed && in_place_ == 0 && late_threads_ == 0;
}

pool::held_up::held_up(pool& in, bool (*is_waiting)(void*) noexcept, void* argument) noexcept
    : pool_(worker_of(in) != nullptr || this_thread.in_place_of == &in || this_thread.ends_worker_of == &in ? &in
                                                                                                            : nullptr),
      is_waiting_(is_waiting),
      argument_(argument) {
    if (pool_ == nullptr) return;
    const std::lock_guard guard(pool_->lock_);
    next_ = std::exchange(pool_->held_up_, this);
    pool_->changed_.notify_all();
}

pool::held_up::~held_up() {
    if (pool_ == nullptr) return;
    const std::lock_guard guard(pool_->lock_);
    held_up** link = &pool_->held_up_;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
}

void pool::end_blocking(std::chrono::steady_clock::time_point deadline) noexcept {
    // The thread that has begun the shutdown may not have shut down the blocking pool yet.
    blocking_->shutdown();
    static_cast<void>(blocking_->join_until(deadline));
}

void pool::cancel_all(std::chrono::steady_clock::time_point deadline) noexcept {
    if (is_in_child()) return;
    // If the caller is blocking work of this pool, it does not wait for itself.
    const bool works_here = this_thread.in_place_of == this || this_thread.blocking_work_of == this;
    const std::uint64_t self = works_here ? 1 : 0;
    // seq_cst: see after_end().
    idleness_.caller_of_cancel.store(self, std::memory_order_seq_cst);
    // Closes the lists first, because a task that is added after the loop below would not be cancelled.
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].close();
    for (unsigned i = 0; i < list_count(); ++i) {
        abort_batch tasks;  // its destructor queues the tasks, after the list's lock is released
        lists_[i].for_each([&](spawned_task& task) { tasks.add(task); });
    }
    notify_on_each_end();
    std::unique_lock guard(lock_);
    changed_.wait_until(guard, deadline, [&] { return alive(true) <= self; });
}

void pool::begin_shutdown() noexcept {
    if (is_in_child()) return;
    // Closes the lists first: once is_closing() is true, workers destroy tasks, and a task that such a destructor
    // spawns must be cancelled at once.
    for (unsigned i = 0; i < list_count(); ++i) lists_[i].close();
    // Before the workers destroy tasks. relaxed: one of the callers reports, and nothing else depends on it.
    if (settings_.on_leaks && !has_reported_leaks_.exchange(true, std::memory_order_relaxed))
        pass_on_leaks(settings_.on_leaks, leaked_tasks(inspect::executor_kind::pool, id_));
    phase expected = phase::open;
    // release: pairs with the acquire in is_closing(). The acquire half has no partner.
    if (!phase_.compare_exchange_strong(expected, phase::closing, std::memory_order_acq_rel)) return;
    for (const auto& each : workers_) each->events().unpark();
    blocking_->shutdown();
}

void pool::close_queues() noexcept {
    // All workers have left run() and all tasks have ended, so the queues hold only references. The injection queue is
    // closed first, because a thread that notified a task before its end may push it only now.
    injected_.close();
    for (;;) {
        spawned_task* left = nullptr;
        injected_.pop(1, [&](spawned_task& task) { left = &task; });
        if (left == nullptr) break;
        give_up(*left);
    }
    for (const auto& each : workers_) each->tasks().give_up();
    if (settings_.on_leaks) report_leaked_descriptors();
    for (const auto& each : workers_) each->events().shut_down();
}

void pool::report_leaked_descriptors() const noexcept {
    pass_on_leaks(settings_.on_leaks, leaked_descriptors(inspect::executor_kind::pool, id_, [this] {
                      std::vector<int> all;
                      const io_handle* last_io = nullptr;
                      for (const auto& each : workers_) {
                          if (each->events().io() == std::exchange(last_io, each->events().io()))
                              continue;  // those that share it follow each other
                          const std::vector<int> fds = last_io->registered();
                          all.insert(all.end(), fds.begin(), fds.end());
                      }
                      return all;
                  }));
}

void pool::workers_have_left(unsigned count) noexcept {
    {
        const std::lock_guard guard(lock_);
        workers_out_ += count;
        if (workers_out_ < size()) {
            changed_.notify_all();  // waits_for_this_poll() may be true now
            return;
        }
    }
    close_queues();
    std::unique_lock guard(lock_);
    // release: pairs with the acquire in is_closing().
    phase_.store(phase::closed, std::memory_order_release);
    notify_end(std::move(guard));
}

/// Tells the waiters that is_closed() may be true now.
void pool::notify_end(std::unique_lock<mutex> guard) noexcept {
    std::vector<waker> wakers;
    if (is_closed()) wakers.swap(closed_wakers_);
    changed_.notify_all();
    guard.unlock();
    for (auto& each : wakers) std::move(each).wake();
}

void pool::thread_has_left() noexcept {
    const std::lock_guard guard(lock_);
    ++threads_out_;
    changed_.notify_all();
}

void pool::wait_until_closed(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept {
    // A worker that destroys the remaining tasks must not wait for itself. in_place_ does not count it.
    if (is_in_child() || this_thread.ends_worker_of == this) return detach_threads();
    // A task in block_in_place may end its own runtime. It does not wait for itself.
    const unsigned self = this_thread.in_place_of == this ? 1 : 0;
    const auto has_ended = [&] {
        // relaxed: `closed` is stored under lock_.
        return phase_.load(std::memory_order_relaxed) == phase::closed && in_place_ == self && late_threads_ == 0;
    };
    bool in_time = true;
    {
        std::unique_lock guard(lock_);
        // If the caller is the child of a scope that is being destroyed, another poll waits for the caller. Then this
        // returns early, and the pool closes after the caller's poll.
        const auto is_stalled = [&] { return self == 1 && waits_for_this_poll(); };
        if (deadline) {
            // A thread that has handed its worker over ends with its task, which may be after the deadline. So the
            // threads are joined only if all of them have ended.
            const auto own = std::count_if(threads_.begin(), threads_.end(),
                                           [](const sys::thread& each) { return each.is_this_thread(); });
            const std::size_t others = threads_.size() - static_cast<std::size_t>(own);
            in_time = changed_.wait_until(guard, *deadline,
                                          [&] { return (has_ended() && threads_out_ == others) || is_stalled(); });
        } else {
            changed_.wait(guard, [&] { return has_ended() || is_stalled(); });
        }
        in_time = in_time && !is_stalled();
    }
    if (!in_time) return detach_threads();
    for (auto& thread : threads_) {
        if (!thread.is_joinable()) continue;
        thread.is_this_thread() ? thread.detach() : thread.join();
    }
}

void pool::detach_threads() noexcept {
    for (auto& thread : threads_) {
        if (thread.is_joinable()) thread.detach();
    }
}

bool pool::poll_closed(const waker& wake) {
    if (is_in_child()) return true;
    waker copy = wake;  // cloned before the lock is taken and dropped after it: both may run user code
    const std::lock_guard guard(lock_);
    if (is_closed()) return true;
    const bool is_known = std::any_of(closed_wakers_.begin(), closed_wakers_.end(),
                                      [&](const waker& other) { return other.will_wake(copy); });
    if (!is_known) closed_wakers_.push_back(std::move(copy));
    return false;
}

}  // namespace eddy::detail
