// SPDX-License-Identifier: MIT
#include "executor/pool/pool.hpp"

#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <eddy/detail/runtime_context.hpp>

// Workers that a blocking call hands over to another thread: see worker::offer().

namespace eddy::detail {
namespace {

/// The job that makes a thread of the blocking pool run an offered worker.
class handed_worker final : public blocking_job, immovable {
public:
    handed_worker(pool& owner, worker& which) noexcept
        : blocking_job(&run_it, &leave_it), pool_(owner), worker_(which) {
        pool_.retain();
    }
    ~handed_worker() { pool_.release(); }

private:
    static void run_it(blocking_job& job) noexcept {
        // SAFETY: the blocking pool calls the functions of a job with that job, once. hand_over() allocated it as a
        // handed_worker and gave up the ownership.
        const std::unique_ptr<handed_worker> mine(static_cast<handed_worker*>(&job));
        static_cast<void>(mine->worker_.thread_comes());
        if (!mine->worker_.accept_offer()) return;
        // The previous thread of the worker ends and does not become a blocking thread. So the blocking pool must be
        // able to replace this thread, or it would have one thread less from now on.
        const bool has_left = mine->pool_.blocking().leave_for_long();
        mine->worker_.run();
        worker::leave_thread();
        if (has_left) mine->pool_.blocking().come_back();
    }
    static void leave_it(blocking_job& job) noexcept {
        // SAFETY: as in run_it().
        const std::unique_ptr<handed_worker> mine(static_cast<handed_worker*>(&job));
        mine->pool_.continue_without_blocking_threads(mine->worker_);
    }

    pool& pool_;
    worker& worker_;
};

}  // namespace

bool pool::hand_over(worker& which) noexcept {
    // A worker that destroys the remaining tasks of a closing pool stays on its thread.
    if (which.is_ending() || is_in_child()) return false;
    which.tasks().offers().start_all();
    {
        // The count changes before the worker is offered, so that the pool cannot become closed during this poll.
        const std::lock_guard guard(lock_);
        ++in_place_;
    }
    // No other thread can use the io_uring ring of this thread, and the blocking call may wait for data that arrives
    // there. The next thread that runs a driver tick makes a new ring, and the sockets move to it.
    if (which.events().io() != nullptr) which.events().io()->retire_ring();
    this_thread.in_place_of = this;
    which.notes().stalls().end_run();  // the blocking call is no stall
    which.offer();
    // A job of an earlier call may still be queued although the worker was taken back. It takes the worker this time.
    if (which.has_thread_coming()) return true;
    auto* const job = new (std::nothrow) handed_worker(*this, which);
    if (job != nullptr && blocking_->submit(*job)) return true;
    delete job;
    // The blocking pool accepts no jobs during a shutdown. A task may still block then, and other tasks of the worker
    // must not wait for it.
    if (is_closing() && start_late_thread(which)) return true;
    static_cast<void>(which.thread_comes());
    if (!which.accept_offer()) return true;
    which.notes().stalls().begin_run();
    end_in_place(&which);
    return false;
}

void pool::end_in_place(worker* taken_back) noexcept {
    this_thread.in_place_of = nullptr;
    if (is_in_child()) return;
    if (taken_back != nullptr) forget_left(*taken_back);
    one_less(in_place_);
}

/// Records that a thread runs this worker again, if no thread could be started for it before.
void pool::forget_left(worker& which) noexcept {
    const std::lock_guard guard(lock_);
    if (std::exchange(which.is_left_, false)) --left_;
}

/// Decrements in_place_ or late_threads_, for which the close of the pool waits in addition to its workers.
void pool::one_less(unsigned& counted) noexcept {
    std::unique_lock guard(lock_);
    --counted;
    if (is_closing()) notify_end(std::move(guard));
}

void pool::continue_without_blocking_threads(worker& which) noexcept {
    // The caller has begun the shutdown, possibly inside a poll and with locks held. So this thread must not run the
    // worker, which destroys tasks. Without another thread the poll takes the worker back after its block_in_place.
    static_cast<void>(which.thread_comes());
    if (!which.is_offered() || start_late_thread(which)) return;
    const std::lock_guard guard(lock_);
    // If the poll takes the worker back at this moment, end_in_place() takes lock_ after this and resets is_left_.
    if (!which.is_offered()) return;
    which.is_left_ = true;
    ++left_;
    changed_.notify_all();
}

/// Starts a detached thread for an offered worker. Returns false if that fails.
bool pool::start_late_thread(worker& which) noexcept {
    {
        const std::lock_guard guard(lock_);
        ++late_threads_;
    }
    if (auto started = start_thread(which, true)) {
        started->detach();
        return true;
    }
    one_less(late_threads_);
    return false;
}

/// Runs an offered worker, unless the poll that offered it has taken it back.
void pool::run_offered(worker& which) noexcept {
    static_cast<void>(which.thread_comes());
    if (!which.accept_offer()) return;
    forget_left(which);
    which.run();
}

}  // namespace eddy::detail
