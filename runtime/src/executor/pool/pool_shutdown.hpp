// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>

namespace eddy::detail {

class pool;
class held_up;
class worker;

/// The end of a pool.
///
///     open ──begin()──> closing ──the last worker has left run()──> closed
///
///     closing   New tasks are refused. Each worker leaves its loop, destroys the tasks that it finds in the lists, and
///               empties its queues. The last worker empties the injection queue and shuts the drivers down.
///     closed    All workers have left run(). Polls that have handed their worker over may still run.
///
///     atomic                changed by                 meaning
///     phase_                begin(), the last worker   see above
///     has_reported_leaks_   begin()                    the leaked tasks were reported, or will be
///
/// In a forked child, begin(), wait() and poll_closed() do not wait and take no lock; the others are not called there.
/// Thread safety: any thread.
class pool_shutdown : immovable {
public:
    /// What has left, and what the close waits for in addition to the workers.
    struct counts {
        unsigned workers_out = 0;
        std::size_t threads_out = 0;
        unsigned in_place = 0;      // polls that have handed their worker over
        unsigned late_threads = 0;  // threads for offered workers that have not ended
        unsigned left = 0;          // offered workers without a thread; the polls that offered them take them back
    };

    explicit pool_shutdown(pool& owner) noexcept : pool_(owner) {}

    /// Begins the shutdown. Does not wait. Later calls do nothing.
    void begin() noexcept;
    /// Returns whether the shutdown has begun.
    [[nodiscard]] bool is_closing() const noexcept {
        // acquire: pairs with the exchange in begin().
        return phase_.load(std::memory_order_acquire) != phase::open;
    }
    [[nodiscard]] bool has_closed() const noexcept {
        // acquire: pairs with the store in workers_have_left().
        return phase_.load(std::memory_order_acquire) == phase::closed;
    }
    /// Waits until the pool is closed, and joins the threads. Threads that still run at `deadline` are detached.
    void wait(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept;
    /// Waits until blocking work has ended, or until `deadline`.
    /// Preconditions: the shutdown has begun, possibly on another thread at this moment.
    void end_blocking(std::chrono::steady_clock::time_point deadline) noexcept;
    /// Returns whether the pool is closed. If not, `wake` is woken when it is.
    [[nodiscard]] bool poll_closed(const waker& wake);

    // ---- What takes part in the pool ----
    /// Records that `count` workers of the closing pool have left run(). The last one closes the pool.
    void workers_have_left(unsigned count) noexcept;
    void thread_has_left() noexcept;
    /// Adds one to in_place, so that the pool cannot become closed meanwhile.
    void add_in_place() noexcept;
    /// Adds one to late_threads, so that the pool cannot become closed meanwhile. Returns false if the worker is not
    /// offered any more; then no thread is expected.
    [[nodiscard]] bool add_late_thread(worker& offered) noexcept;
    void subtract(unsigned counts::* what) noexcept;
    /// Records that no thread will come for a worker, if it is still offered.
    void note_left(worker& which) noexcept;
    /// Records that the poll has taken its worker back.
    void forget_left(worker& which) noexcept;

private:
    friend class held_up;

    enum class phase : unsigned char { open, closing, closed };

    [[nodiscard]] bool is_closed() const noexcept;
    [[nodiscard]] bool waits_for_this_poll() const noexcept;
    void notify_end(std::unique_lock<mutex> guard) noexcept;

    pool& pool_;
    atomic<phase> phase_{phase::open};
    atomic<bool> has_reported_leaks_{false};
    mutex lock_;
    condition_variable changed_;
    counts counts_;
    held_up* held_up_ = nullptr;  // a list, in no order
    std::vector<waker> closed_wakers_;
};

/// Marks this thread as waiting for other polls to end, so that the shutdown of the pool does not wait for it in turn.
/// Does nothing unless the thread runs a worker of the pool or polls after it has handed its worker over. The thread
/// counts as waiting while `is_waiting(argument)` returns true; this is called under the lock of pool_shutdown.
/// Lifetime: lives on the stack of the waiting thread. `argument` must outlive it.
class held_up : immovable {
public:
    held_up(pool& in, bool (*is_waiting)(void*) noexcept, void* argument) noexcept;
    ~held_up();

private:
    friend class pool_shutdown;

    pool_shutdown* const shutdown_;  // null if the thread is not marked
    bool (*const is_waiting_)(void*) noexcept;
    void* const argument_;
    held_up* next_ = nullptr;
};

}  // namespace eddy::detail
