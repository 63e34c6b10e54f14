// SPDX-License-Identifier: MIT
#include "executor/pool/pool_shutdown.hpp"

#include <algorithm>
#include <utility>

#include <eddy/detail/runtime_context.hpp>

#include "executor/pool/pool.hpp"
#include "executor/reports/leaks.hpp"
#include "reactor/io_handle.hpp"

namespace eddy::detail {
namespace {

void report_leaked_descriptors(pool& of) noexcept {
    pass_on_leaks(of.settings().on_leaks, leaked_descriptors(inspect::executor_kind::pool, of.id(), [&of] {
                      std::vector<int> all;
                      const io_handle* last_io = nullptr;
                      for (const auto& each : of.workers()) {
                          if (each->events().io() == std::exchange(last_io, each->events().io()))
                              continue;  // those that share it follow each other
                          const std::vector<int> fds = last_io->registered();
                          all.insert(all.end(), fds.begin(), fds.end());
                      }
                      return all;
                  }));
}

void close_queues(pool& closing) noexcept {
    // All workers have left run() and all tasks have ended, so the queues hold only references. The injection queue is
    // closed first, because a thread that notified a task before its end may push it only now.
    injection_queue& injected = closing.workers().injected();
    injected.close();
    for (;;) {
        spawned_task* left = nullptr;
        injected.pop(1, [&](spawned_task& task) { left = &task; });
        if (left == nullptr) break;
        closing.give_up(*left);
    }
    for (const auto& each : closing.workers()) each->tasks().give_up();
    if (closing.settings().on_leaks) report_leaked_descriptors(closing);
    for (const auto& each : closing.workers()) each->events().shut_down();
}

}  // namespace

void pool_shutdown::begin() noexcept {
    if (pool_.is_in_child()) return;
    // Closes the lists first: once is_closing() is true, workers destroy tasks, and a task that such a destructor
    // spawns must be cancelled at once.
    pool_.tasks().close();
    // Before the workers destroy tasks. relaxed: one of the callers reports, and nothing else depends on it.
    const leak_handler& on_leaks = pool_.settings().on_leaks;
    if (on_leaks && !has_reported_leaks_.exchange(true, std::memory_order_relaxed))
        pass_on_leaks(on_leaks, leaked_tasks(inspect::executor_kind::pool, pool_.id()));
    phase expected = phase::open;
    // release: pairs with the acquire in is_closing(). The acquire half has no partner.
    if (!phase_.compare_exchange_strong(expected, phase::closing, std::memory_order_acq_rel)) return;
    for (const auto& each : pool_.workers()) each->events().unpark();
    pool_.blocking().shutdown();
}

void pool_shutdown::workers_have_left(unsigned count) noexcept {
    {
        const std::lock_guard guard(lock_);
        counts_.workers_out += count;
        if (counts_.workers_out < pool_.workers().size()) {
            changed_.notify_all();  // waits_for_this_poll() may be true now
            return;
        }
    }
    close_queues(pool_);
    std::unique_lock guard(lock_);
    // release: pairs with the acquire in is_closing() and has_closed().
    phase_.store(phase::closed, std::memory_order_release);
    notify_end(std::move(guard));
    pool_.idleness().note_closed();
}

/// Tells the waiters that is_closed() may be true now.
void pool_shutdown::notify_end(std::unique_lock<mutex> guard) noexcept {
    std::vector<waker> wakers;
    if (is_closed()) wakers.swap(closed_wakers_);
    changed_.notify_all();
    guard.unlock();
    for (auto& each : wakers) std::move(each).wake();
}

/// Returns whether all workers have left run(), no task is polled, and no thread will call a hook.
/// Preconditions: lock_ is held.
bool pool_shutdown::is_closed() const noexcept {
    // relaxed: phase_ is set to `closed` under lock_, which the caller holds.
    return phase_.load(std::memory_order_relaxed) == phase::closed && counts_.in_place == 0 &&
           counts_.late_threads == 0;
}

// ---- What takes part in the pool ----

void pool_shutdown::thread_has_left() noexcept {
    const std::lock_guard guard(lock_);
    ++counts_.threads_out;
    changed_.notify_all();
}

void pool_shutdown::add_in_place() noexcept {
    const std::lock_guard guard(lock_);
    ++counts_.in_place;
}

bool pool_shutdown::add_late_thread(worker& offered) noexcept {
    const std::lock_guard guard(lock_);
    // Under the lock, because the pool may be closed as soon as the poll has taken the worker back. While the worker is
    // offered, in_place counts the poll.
    if (!offered.dismiss_unless_offered()) return false;
    ++counts_.late_threads;
    return true;
}

void pool_shutdown::subtract(unsigned counts::* what) noexcept {
    std::unique_lock guard(lock_);
    --(counts_.*what);
    if (is_closing()) notify_end(std::move(guard));
}

void pool_shutdown::note_left(worker& which) noexcept {
    const std::lock_guard guard(lock_);
    // If the poll takes the worker back at this moment, end_in_place() takes lock_ after this and resets is_left_.
    if (!which.dismiss()) return;
    which.is_left_ = true;
    ++counts_.left;
    changed_.notify_all();
}

void pool_shutdown::forget_left(worker& which) noexcept {
    const std::lock_guard guard(lock_);
    if (std::exchange(which.is_left_, false)) --counts_.left;
}

// ---- Waiting for the end ----

/// Returns whether the close of the pool waits for nothing but the caller's poll, which is in block_in_place.
/// Preconditions: lock_ is held.
bool pool_shutdown::waits_for_this_poll() const noexcept {
    if (counts_.workers_out == pool_.workers().size()) return false;
    unsigned others = pool_.workers().size() - counts_.workers_out - counts_.left + counts_.in_place - 1;
    for (const held_up* one = held_up_; one != nullptr; one = one->next_) {
        if (one->is_waiting_(one->argument_)) --others;
    }
    return others == 0;
}

void pool_shutdown::wait(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept {
    // A worker that destroys the remaining tasks must not wait for itself. in_place does not count it.
    if (pool_.is_in_child() || this_thread.ends_worker_of == &pool_) return pool_.threads().detach();
    // A task in block_in_place may end its own runtime. It does not wait for itself.
    const unsigned self = this_thread.in_place_of == &pool_ ? 1 : 0;
    const auto has_ended = [&] {
        // relaxed: `closed` is stored under lock_.
        return phase_.load(std::memory_order_relaxed) == phase::closed && counts_.in_place == self &&
               counts_.late_threads == 0;
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
            const std::size_t others = pool_.threads().count_others();
            in_time = changed_.wait_until(
                guard, *deadline, [&] { return (has_ended() && counts_.threads_out == others) || is_stalled(); });
        } else {
            changed_.wait(guard, [&] { return has_ended() || is_stalled(); });
        }
        in_time = in_time && !is_stalled();
    }
    if (!in_time) return pool_.threads().detach();
    pool_.threads().join();
}

void pool_shutdown::end_blocking(std::chrono::steady_clock::time_point deadline) noexcept {
    // The thread that has begun the shutdown may not have shut down the blocking pool yet.
    pool_.blocking().shutdown();
    static_cast<void>(pool_.blocking().join_until(deadline));
}

bool pool_shutdown::poll_closed(const waker& wake) {
    if (pool_.is_in_child()) return true;
    waker copy = wake;  // cloned before the lock is taken and dropped after it: both may run user code
    const std::lock_guard guard(lock_);
    if (is_closed()) return true;
    const bool is_known = std::any_of(closed_wakers_.begin(), closed_wakers_.end(),
                                      [&](const waker& other) { return other.will_wake(copy); });
    if (!is_known) closed_wakers_.push_back(std::move(copy));
    return false;
}

held_up::held_up(pool& in, bool (*is_waiting)(void*) noexcept, void* argument) noexcept
    : shutdown_(worker_of(in) != nullptr || this_thread.in_place_of == &in || this_thread.ends_worker_of == &in
                    ? &in.shutdown()
                    : nullptr),
      is_waiting_(is_waiting),
      argument_(argument) {
    if (shutdown_ == nullptr) return;
    const std::lock_guard guard(shutdown_->lock_);
    next_ = std::exchange(shutdown_->held_up_, this);
    shutdown_->changed_.notify_all();
}

held_up::~held_up() {
    if (shutdown_ == nullptr) return;
    const std::lock_guard guard(shutdown_->lock_);
    held_up** link = &shutdown_->held_up_;
    while (*link != this) link = &(*link)->next_;
    *link = next_;
}

}  // namespace eddy::detail
