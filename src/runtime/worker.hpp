// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/random.hpp>
#include <eddy/detail/spawned_task.hpp>
#include <eddy/detail/time_driver.hpp>
#include <eddy/duration_histogram.hpp>
#include <eddy/future.hpp>
#include <eddy/reactor.hpp>

#include "core/sleeping_place.hpp"
#include "io/io_handle.hpp"
#include "runtime/fork_queue.hpp"
#include "runtime/polled_task.hpp"
#include "runtime/run_queue.hpp"

namespace eddy::detail {

class pool;

#ifndef EDDY_RUN_QUEUE_CAPACITY
#define EDDY_RUN_QUEUE_CAPACITY 256  // test builds use 4, to meet the edges
#endif

/// What a worker has counted. One writer, any reader; nothing is read through them.
struct worker_counters {
    atomic<std::uint64_t> polls{0};
    atomic<std::uint64_t> steals{0};     ///< tasks taken from other workers
    atomic<std::uint64_t> overflows{0};  ///< tasks that found the ring full
    atomic<std::uint64_t> parks{0};
    atomic<std::uint64_t> busy_ns{0};  ///< up to the last park

    static void add(atomic<std::uint64_t>& counter, std::uint64_t more) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
};

/// How long its polls took, as duration_histogram; as worker_counters.
using poll_time_counters = std::array<atomic<std::uint64_t>, duration_histogram::buckets>;

/// One of the threads of a pool: its run queue, its LIFO slot, its driver and its timers. A worker is run by one thread
/// at a time, and not always by the same: block_in_place hands it on.
///
///     what                     who
///     queue_, forks_           the thread that runs the worker pushes and takes; others steal
///     lifo_                    the same; the sentry takes a task that its worker does not come to
///     io_, time_               the thread that runs it; the sentry while that stands still (io_handle's turn flag)
///     counters_                written by the thread that runs it, read by all
class alignas(128) worker {
public:
    struct gives_up {
        void operator()(auto* shared) const noexcept { shared->release(); }
    };
    using io_share = std::unique_ptr<io_handle, gives_up>;

    /// `io` may be null.
    worker(pool& owner, unsigned index, io_share io, std::uint64_t seed, bool counts_poll_times);
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    ~worker();

    /// Runs tasks until the pool closes, or until another thread has taken the worker over.
    void run() noexcept;

    // ---- For a thread that hands the worker on (block_in_place) ----
    // seq_cst: who offers, then asks whether a thread is coming; who comes says so, and then looks for an offer.
    /// Another thread may go on with the worker.
    void offer() noexcept { is_offered_.exchange(true, std::memory_order_seq_cst); }
    [[nodiscard]] bool is_offered() const noexcept { return is_offered_.load(std::memory_order_seq_cst); }
    /// True for one thread: the worker is its own now.
    [[nodiscard]] bool accept_offer() noexcept { return is_offered_.exchange(false, std::memory_order_seq_cst); }
    /// Whether a thread is on its way that will look for an offer. If not, the caller has to send one.
    [[nodiscard]] bool has_thread_coming() noexcept {
        return is_thread_coming_.exchange(true, std::memory_order_seq_cst);
    }
    /// It is here, or does not come after all.
    bool thread_comes() noexcept { return is_thread_coming_.exchange(false, std::memory_order_seq_cst); }

    // ---- On the worker's thread ----
    /// Queues a child of a scope, or the parent of one that has ended: newest first.
    void schedule_fork(spawned_task& task) noexcept;
    /// Queues a task that was woken here: it is likely to find what it needs in the caches, and so comes next.
    void schedule(spawned_task& task) noexcept;
    [[nodiscard]] pool& owner() const noexcept { return pool_; }
    /// Whether the pool closes, and it polls nothing any more.
    [[nodiscard]] bool is_ending() const noexcept { return is_ending_; }
    /// Whether what is woken at this moment is the parent of a scope that has ended.
    [[nodiscard]] bool wakes_forks() const noexcept { return wakes_forks_; }
    void wake_fork(waker&& parent) noexcept {
        wakes_forks_ = true;
        std::move(parent).wake();
        wakes_forks_ = false;
    }
    /// A reference of the pool, out of those that the worker has in stock: so that the pool's counter, which all
    /// threads share, changes once for many.
    void retain_pool() noexcept;
    void release_pool() noexcept;
    /// Makes this thread the one that runs the worker, or none.
    void enter_thread() noexcept;
    static void leave_thread() noexcept;

    // ---- Any thread ----
    [[nodiscard]] unsigned index() const noexcept { return index_; }
    [[nodiscard]] io_handle* io() const noexcept { return io_.get(); }
    [[nodiscard]] time_driver& time() const noexcept { return *time_; }
    [[nodiscard]] const worker_counters& counters() const noexcept { return counters_; }
    [[nodiscard]] duration_histogram poll_times() const noexcept;
    [[nodiscard]] std::size_t queued() const noexcept {
        return queue_.size() + forks_.size() + (lifo_.load(std::memory_order_relaxed) != nullptr ? 1 : 0);
    }
    /// Whether it holds a task that another worker could take.
    [[nodiscard]] bool has_queued() const noexcept { return !queue_.is_empty() || !forks_.is_empty(); }
    void unpark() noexcept { place_->unpark(); }
    /// For a closing pool: on the thread that runs the worker, or after its last run().
    void give_up_queue() noexcept;
    /// Ends all waiting on this worker's driver and timers. After the last run().
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
    void push_back(spawned_task& task) noexcept;
    [[nodiscard]] bool is_enough_for_two() const noexcept;
    [[nodiscard]] bool has_work() const noexcept;
    void stop_searching() noexcept;

    // Running it
    void run_task(spawned_task& task) noexcept;
    [[nodiscard]] poll_end poll(spawned_task& task) noexcept;
    [[nodiscard]] poll_end poll_and_time(spawned_task& task) noexcept;
    void after_pending_poll(spawned_task& task, bool woke_itself) noexcept;
    void cancel(spawned_task& task) noexcept;

    // Waiting
    void look_if_due() noexcept;
    void look_at_driver(max_wait limit, max_wait alarm = std::nullopt) noexcept;
    void park() noexcept;
    void note_busy_period(time_point now) noexcept;
    [[nodiscard]] max_wait time_to_sleep() const noexcept;

    // As sentry
    void take_post() noexcept;
    void leave_post() noexcept;
    [[nodiscard]] bool is_sentry() const noexcept { return post_ != no_post; }
    [[nodiscard]] std::chrono::nanoseconds watch_interval() const noexcept;
    [[nodiscard]] std::chrono::nanoseconds time_to_watch() const noexcept;
    [[nodiscard]] bool watch_if_due() noexcept;
    void watch_others() noexcept;
    void relieve(worker& stuck) noexcept;

    pool& pool_;
    const unsigned index_;

    const io_share io_;
    const std::unique_ptr<sleeping_place, gives_up> place_;
    const std::unique_ptr<time_driver, gives_up> time_;

    ring queue_;
    fork_queue<spawned_task, EDDY_RUN_QUEUE_CAPACITY> forks_;
    atomic<spawned_task*> lifo_{nullptr};
    worker_counters counters_;
    const std::unique_ptr<poll_time_counters> poll_times_;  // null if nobody wants them
    atomic<bool> is_offered_{false};
    atomic<bool> is_thread_coming_{false};

    friend class pool;
    bool is_left_ = false;  // under the pool's lock: it was offered, and there is no thread for it

    // Of the thread that runs the worker.
    std::uint64_t tick_ = 0;
    unsigned lifo_streak_ = 0;
    std::uint32_t budget_left_ = 0;
    random_numbers random_;  // for stealing: how often that is tried is nobody's choice
    std::uint64_t seed_;     // of the thread that runs the worker next
    std::uint64_t polls_when_woken_ = 0;
    std::uint64_t mean_poll_ns_ = 10'000;  // of late; at the beginning any two tasks are thought to be enough for two
    std::uint32_t pool_references_ = 0;    // in stock
    unsigned spins_ = 0;                   // how often to look again before the next sleep
    bool is_searching_ = false;
    bool is_parking_ = false;
    bool wakes_forks_ = false;
    bool is_ending_ = false;
    time_point last_look_{};
    time_point woke_at_{};

    // As sentry: what it saw of the others, the last time. It changes whenever a worker gets on.
    struct sight {
        std::uint64_t polls = 0;
        std::uint64_t parks = 0;

        bool operator==(const sight&) const = default;
    };
    static sight look_at(const worker& other) noexcept;
    static constexpr std::size_t no_post = ~std::size_t{0};
    std::size_t post_ = no_post;
    std::unique_ptr<sight[]> seen_;
    time_point last_activity_{};
    time_point last_watch_{};
};

}  // namespace eddy::detail
