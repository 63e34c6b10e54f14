// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>

#include "sys/thread.hpp"

namespace eddy::detail {

/// Work that may block, as the pool's queue holds it: at the front of whatever the work needs, which it owns.
/// Exactly one of the two functions is called, once, unless submit() has refused the job; it ends the job, which may be
/// gone when it returns. Neither can throw: an exception of the work is part of its outcome.
struct blocking_job {
    using function = void (*)(blocking_job&) noexcept;

    blocking_job(function when_run, function when_cancelled) noexcept : run(when_run), cancel(when_cancelled) {}

    blocking_job* next = nullptr;  ///< the pool's
    function run;                  ///< on a thread of the pool
    function cancel;               ///< in place of run, since the pool was shut down before; on the thread that does it
};

/// The jobs that wait, oldest first.
class blocking_queue {
public:
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool is_empty() const noexcept { return first_ == nullptr; }

    void push(blocking_job& job) noexcept {
        job.next = nullptr;
        (first_ == nullptr ? first_ : last_->next) = &job;
        last_ = &job;
        ++size_;
    }

    /// The oldest, which is taken out; null if there is none.
    blocking_job* pop() noexcept {
        blocking_job* const job = first_;
        if (job == nullptr) return nullptr;
        first_ = job->next;
        --size_;
        return job;
    }

private:
    blocking_job* first_ = nullptr;
    blocking_job* last_ = nullptr;  // means nothing while first_ is null
    std::size_t size_ = 0;
};

/// Threads for work that blocks: as many as are needed, up to a limit, each ended when it has been idle for a while.
///
///     start ───> working ──────────────────────────> ending ───────────────> ended ──────> joined (or detached)
///                 │    ^                              ^  └ on_thread_stop     by the next thread that ends,
///         no job  v    │ a job: woken                 │                       by join_until, or by the destructor
///                idle ─┴── keep_alive over, shutdown ─┘
///
/// Whoever brings a job and finds an idle thread takes it off the idle list and wakes it, under one lock: so a thread
/// whose time is over cannot be meant by a wake-up that it does not see. The thread that became idle last is woken
/// first: its caches are warm, and those that are not needed end.
///
/// Thread safety: any thread, also one of the pool's, also while its thread-locals are destroyed.
/// Lifetime: counted. Each thread holds a reference, so that nothing has to wait for a thread that hangs. An owner who
/// just lets go leaves idle threads behind until their keep_alive is over: call shutdown() before.
/// In the child of a fork there is none of the threads, and the lock may be held for good: no job is taken, nothing is
/// waited for, and what the pool holds is not freed.
class blocking_pool {
public:
    using time_point = std::chrono::steady_clock::time_point;

    struct settings {
        std::size_t max_threads = 512;  ///< at least 1; a thread in its on_thread_stop does not count any more
        std::chrono::nanoseconds keep_alive = std::chrono::seconds(10);  ///< how long a thread stays idle
        std::size_t stack_size = 0;                                      ///< in bytes; 0 is the system's default
        bool is_joined = true;  ///< false: nobody will join the threads, so each detaches itself when it ends
        /// Called on each new thread, in this order. They must not throw. Without `name_thread`: "eddy-blocking".
        std::function<std::string()> name_thread;
        std::function<void()> on_thread_start;
        /// Called at the end of each thread.
        std::function<void()> on_thread_stop;
    };

    /// All at one moment.
    struct counts {
        std::size_t threads = 0;  ///< those that can take jobs
        std::size_t idle = 0;     ///< of these, those that wait for one
        std::size_t queued = 0;   ///< jobs that no thread has begun
        std::uint64_t jobs = 0;   ///< accepted since the beginning
    };

    struct gives_up {
        void operator()(blocking_pool* pool) const noexcept { pool->release(); }
    };
    /// What an owner holds.
    using share = std::unique_ptr<blocking_pool, gives_up>;

    [[nodiscard]] static share make(settings chosen) { return share(new blocking_pool(std::move(chosen))); }
    blocking_pool(const blocking_pool&) = delete;
    blocking_pool& operator=(const blocking_pool&) = delete;

    void retain() noexcept;
    void release() noexcept;

    /// Runs `job` on a thread of the pool, after those that were submitted before. A thread is started only if none is
    /// idle; if the system has no more threads, the job waits for one of those that there are.
    /// False, and the job stays the caller's, after shutdown(), in a forked child, or if there is no thread at all and
    /// none can be started.
    [[nodiscard]] bool submit(blocking_job& job) noexcept;

    /// Takes no more jobs, cancels those that wait, and ends the idle threads; the others end after their job. Does not
    /// wait. Later calls do nothing.
    void shutdown() noexcept;
    [[nodiscard]] bool is_shut_down() const noexcept;

    /// After shutdown(): waits until all threads have ended and joins them. False if they have not by `deadline`: those
    /// that still run are detached, and hold what they need. On a thread of the pool it does not wait for that one.
    /// (What a thread's thread-locals do in their destructors is waited for beyond the deadline.)
    bool join_until(time_point deadline) noexcept;

    [[nodiscard]] counts count() const noexcept;
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_parent(); }

    // ---- In a job, on its thread ----
    /// The job goes on for as long as the owner of the pool does: its thread is none of the pool's meanwhile, and
    /// another may come in its place. False if it has to stay one, since there is no other: then without come_back().
    [[nodiscard]] bool leave_for_long() noexcept;
    void come_back() noexcept;

private:
    /// One thread, and after it another: kept as long as the pool, so that who wakes it need not hold the lock.
    struct worker {
        sys::thread thread;
        condition_variable woken;
        bool is_woken = false;   // taken off the idle list by somebody else
        worker* next = nullptr;  // in one of the three lists
    };

    explicit blocking_pool(settings&& chosen) noexcept;
    ~blocking_pool();

    // With the lock held.
    [[nodiscard]] bool has_room() const noexcept { return threads_ == 0 || threads_ < settings_.max_threads; }
    bool start_thread() noexcept;
    worker& pop_idle() noexcept;
    void remove_idle(worker& self) noexcept;
    bool wait_for_job(worker& self, std::unique_lock<mutex>& guard) noexcept;

    // Without.
    void run(worker& self) noexcept;
    void work(worker& self) noexcept;
    void end(worker& self) noexcept;
    void join_all(worker* ended) noexcept;

    const settings settings_;
    const sys::process_mark process_;
    atomic<std::uint32_t> references_{1};

    mutable mutex lock_;
    condition_variable one_ended_;
    blocking_queue queue_;
    worker* idle_ = nullptr;   // last in, first out
    worker* ended_ = nullptr;  // still to be joined
    worker* spare_ = nullptr;  // without a thread
    std::size_t idle_count_ = 0;
    std::size_t woken_count_ = 0;  // taken off the idle list, and still to look at the queue
    std::size_t starting_ = 0;     // started, and still to look at the queue for the first time
    std::size_t threads_ = 0;      // that will look at the queue again
    std::size_t alive_ = 0;        // these, and those between their last look at the queue and their end
    std::uint64_t jobs_ = 0;
    bool is_shut_down_ = false;
    bool is_joined_;
};

}  // namespace eddy::detail
