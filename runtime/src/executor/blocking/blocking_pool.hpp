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
#include <eddy/detail/ref_count.hpp>
#include <eddy/result.hpp>

#include "executor/blocking/blocking.hpp"
#include "executor/blocking/idle_threads.hpp"
#include "executor/task/fifo.hpp"
#include "sys/fork.hpp"

namespace eddy::detail {

/// A pool of threads for blocking work. Threads are started on demand up to a limit, and end after an idle time.
///
///     start ───> working ──────────────────────────> ending ───────────────> ended ──────> joined (or detached)
///                 │    ^                              ^  └ on_thread_stop     by the next thread that ends,
///         no job  v    │ woken for a job              │                       by join_until, or by the destructor
///                idle ─┴── keep_alive over, shutdown ─┘
///
/// In a forked child there are no threads, and the lock is never released if another thread held it at the fork. There
/// the pool accepts no jobs and waits for nothing, and its memory is not freed.
///
/// Thread safety: any thread, including a thread of the pool whose thread-locals are being destroyed.
/// Lifetime: reference-counted. Each thread holds a reference, so the owner need not wait for a thread that hangs. Call
/// shutdown() before the last owner releases its reference, or idle threads remain until their keep_alive has passed.
class blocking_pool : immovable {
public:
    using time_point = std::chrono::steady_clock::time_point;

    struct settings {
        std::size_t max_threads = 512;  ///< at least 1; a thread in its on_thread_stop does not count
        std::chrono::nanoseconds keep_alive = std::chrono::seconds(10);  ///< how long a thread stays idle
        std::size_t stack_size = 0;                                      ///< in bytes; 0 is the system's default
        bool is_joined = true;  ///< if false, each thread detaches itself when it ends
        /// Called on each new thread, in this order. Must not throw. Without `name_thread` the name is "eddy-blocking".
        std::function<std::string()> name_thread;
        std::function<void()> on_thread_start;
        /// Called at the end of each thread.
        std::function<void()> on_thread_stop;
    };

    /// Statistics, all taken at the same moment.
    struct counts {
        std::size_t threads = 0;  ///< threads that can take jobs
        std::size_t idle = 0;     ///< threads of these that wait for a job
        std::size_t queued = 0;   ///< jobs that no thread has begun
        std::uint64_t jobs = 0;   ///< jobs accepted since the pool was made
    };

    /// An owning reference.
    using share = std::unique_ptr<blocking_pool, releasing>;

    [[nodiscard]] static share make(settings chosen) { return share(new blocking_pool(std::move(chosen))); }

    void retain() noexcept { references_.add(); }
    void release() noexcept {
        if (references_.drop()) delete this;
    }

    /// Queues `job` for a thread of the pool. Jobs start in the order of submission. Starts a thread only if none is
    /// idle. If a thread cannot be started, the job waits for an existing thread.
    /// Errors: runtime_shutdown after shutdown() and in a forked child; the errors of sys::thread::start() if there is
    /// no thread and none can be started. The caller then still owns the job.
    [[nodiscard]] result<void> submit(blocking_job& job) noexcept;

    /// Refuses new jobs, cancels queued jobs and ends idle threads. Busy threads end after their job. Does not wait.
    /// Later calls do nothing.
    void shutdown() noexcept;

    /// Waits until all threads have ended, and joins them. Returns false if some still run at `deadline`; those are
    /// detached and keep the pool alive. A thread of the pool does not wait for itself. The destructors of a thread's
    /// thread-locals may run past the deadline, and this waits for them.
    /// Preconditions: shutdown() was called.
    bool join_until(time_point deadline) noexcept;

    [[nodiscard]] counts count() const noexcept;
    [[nodiscard]] bool is_in_child() const noexcept { return process_.is_from_parent(); }

    // ---- Called by a job, on its thread ----
    /// Takes this thread out of the pool for a job that runs for a long time, so that another thread can replace it.
    /// Call come_back() after the job. Returns false if the thread must stay in the pool because there is no other; do
    /// not call come_back() then.
    [[nodiscard]] bool leave_for_long() noexcept;
    void come_back() noexcept;

private:
    explicit blocking_pool(settings&& chosen) noexcept;
    ~blocking_pool();

    // Preconditions: lock_ is held.
    [[nodiscard]] bool has_room() const noexcept { return threads_ == 0 || threads_ < settings_.max_threads; }
    result<void> start_thread() noexcept;

    // Preconditions: lock_ is not held.
    void run(blocking_thread& self) noexcept;
    void work(blocking_thread& self) noexcept;
    void end(blocking_thread& self) noexcept;
    void join_all(blocking_thread* ended) noexcept;

    const settings settings_;
    const sys::process_mark process_;
    ref_count<> references_;

    mutable mutex lock_;
    condition_variable one_ended_;
    using queue = fifo<blocking_job, &blocking_job::next>;
    queue queue_;
    std::size_t queued_ = 0;  // the number of jobs in it
    idle_threads idle_;
    blocking_thread* ended_ = nullptr;  // not joined yet
    blocking_thread* spare_ = nullptr;  // objects without a thread
    std::size_t starting_ = 0;          // new threads that have not checked the queue yet
    std::size_t threads_ = 0;           // threads that will check the queue again
    std::size_t alive_ = 0;             // threads that have not reached end()
    std::uint64_t jobs_ = 0;
    bool is_shut_down_ = false;
    bool is_joined_;
};

}  // namespace eddy::detail
