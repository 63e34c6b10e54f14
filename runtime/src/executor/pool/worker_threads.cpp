// SPDX-License-Identifier: MIT
#include "executor/pool/worker_threads.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>

#include <eddy/detail/runtime_context.hpp>

#include "executor/blocking/blocking_pool.hpp"
#include "executor/pool/pool.hpp"
#include "sys/affinity.hpp"

namespace eddy::detail {

// ---- The own threads ----

result<void> worker_threads::start_all() noexcept {
    worker_set& workers = pool_.workers();
    for (const auto& each : workers) {
        auto started = start(*each, false);
        if (started) {
            own_.push_back(std::move(*started));  // does not throw: the capacity is reserved
            continue;
        }
        // Workers without a thread count as having left run().
        pool_.shutdown().begin();
        pool_.shutdown().workers_have_left(workers.size() - static_cast<unsigned>(own_.size()));
        return std::unexpected(started.error());
    }
    return {};
}

/// Starts a thread that runs a worker: one of the pool's own threads, or a late one, for a worker that is offered.
result<sys::thread> worker_threads::start(worker& which, bool is_late) noexcept try {
    const pool_settings& settings = pool_.settings();
    // Without a name, the thread names itself below.
    std::string name = settings.name_thread ? std::string() : settings.thread_name + std::to_string(which.index());
    pool_.retain();  // the thread's reference
    auto started = sys::start_thread(std::move(name), settings.stack_size, [this, &which, is_late]() noexcept {
        const pool_settings& of = pool_.settings();
        const sys::thread_binding bound(of.processors_of(which.index()));
        if (of.name_thread) sys::name_this_thread(of.name_thread());
        if (of.hooks() != nullptr && of.hooks()->thread_start) of.hooks()->thread_start();
        if (!is_late || which.arrive()) which.run();  // unless the poll has taken the offered worker back
        if (of.hooks() != nullptr && of.hooks()->thread_stop) of.hooks()->thread_stop();
        worker::leave_thread();
        if (is_late) {
            pool_.shutdown().subtract(&pool_shutdown::counts::late_threads);
        } else {
            pool_.shutdown().thread_has_left();
        }
        pool_.release();
    });
    if (!started) pool_.release();
    return started;
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

std::size_t worker_threads::count_others() const noexcept {
    const auto here =
        std::count_if(own_.begin(), own_.end(), [](const sys::thread& each) { return each.is_this_thread(); });
    return own_.size() - static_cast<std::size_t>(here);
}

void worker_threads::join() noexcept {
    for (auto& thread : own_) {
        if (!thread.is_joinable()) continue;
        thread.is_this_thread() ? thread.detach() : thread.join();
    }
}

void worker_threads::detach() noexcept {
    for (auto& thread : own_) {
        if (thread.is_joinable()) thread.detach();
    }
}

// ---- Hand-over ----

namespace {

/// The job of a thread of the blocking pool that runs an offered worker if a call lasts. If not, the thread stays for
/// some time and waits for further calls: none of them has to wake a thread then.
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
        if (!mine->await_long_call()) return;
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
        mine->pool_.threads().continue_without_blocking_threads(mine->worker_);
    }

    /// Returns whether this thread has taken the worker over; false if there were no calls for some time.
    bool await_long_call() noexcept {
        auto seen = worker_.look();
        for (unsigned quiet = 0; quiet != most_quiet || worker_.dismiss_unless_offered();) {
            std::this_thread::sleep_for(between_looks);
            if (worker_.arrive_at(seen)) return true;
            const auto now = worker_.look();
            quiet = now == seen ? quiet + 1 : 0;
            seen = now;
        }
        return false;
    }

    // A call that lasts between one and two of these times stops the other tasks of the worker meanwhile. Shorter ones
    // wake a thread for calls that end before that.
    static constexpr auto between_looks = std::chrono::microseconds(100);
    static constexpr unsigned most_quiet = 20;

    pool& pool_;
    worker& worker_;
};

}  // namespace

bool worker_threads::hand_over(worker& which) noexcept {
    // A worker that destroys the remaining tasks of a closing pool stays on its thread.
    if (which.is_ending() || pool_.is_in_child()) return false;
    which.tasks().start_offers();
    // The count changes before the worker is offered, so that the pool cannot become closed during this poll.
    pool_.shutdown().add_in_place();
    // No other thread can use the io_uring ring of this thread, and the blocking call may wait for data that arrives
    // there. The next thread that runs a driver tick makes a new ring, and the sockets move to it.
    which.events().retire_ring();
    this_thread.in_place_of = &pool_;
    which.watch().end_run();  // the blocking call is no stall
    // The thread of an earlier call may be there still, although the worker was taken back. It takes it this time.
    if (which.offer()) return true;
    auto* const job = new (std::nothrow) handed_worker(pool_, which);
    if (job != nullptr && pool_.blocking().submit(*job)) return true;
    delete job;
    // The blocking pool accepts no jobs during a shutdown. A task may still block then, and other tasks of the worker
    // must not wait for it.
    if (pool_.shutdown().is_closing() && start_late(which)) return true;
    if (!which.arrive()) return true;  // another poll, which had offered the worker before, has taken it
    which.watch().begin_run();
    end_in_place(&which);
    return false;
}

void worker_threads::end_in_place(worker* taken_back) noexcept {
    this_thread.in_place_of = nullptr;
    if (pool_.is_in_child()) return;
    if (taken_back != nullptr) pool_.shutdown().forget_left(*taken_back);
    pool_.shutdown().subtract(&pool_shutdown::counts::in_place);
}

void worker_threads::continue_without_blocking_threads(worker& which) noexcept {
    // The caller has begun the shutdown, possibly inside a poll and with locks held. So this thread must not run the
    // worker, which destroys tasks. Without another thread the poll takes the worker back after its block_in_place.
    if (!start_late(which)) pool_.shutdown().note_left(which);
}

/// Starts a detached thread for an offered worker, as the one that it expects. Returns false if that fails.
bool worker_threads::start_late(worker& which) noexcept {
    if (!pool_.shutdown().add_late_thread(which)) return true;  // the poll has taken the worker back
    if (auto started = start(which, true)) {
        started->detach();
        return true;
    }
    pool_.shutdown().subtract(&pool_shutdown::counts::late_threads);
    return false;
}

}  // namespace eddy::detail
