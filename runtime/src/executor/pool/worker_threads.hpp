// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

#include <eddy/future/future.hpp>
#include <eddy/result.hpp>

#include "sys/thread.hpp"

namespace eddy::detail {

class pool;
class worker;

/// The threads that run the workers of a pool: its own ones, and those to which block_in_place hands a worker over.
/// These are threads of the blocking pool, or late ones when that accepts no jobs any more. See worker_offer.
/// Thread safety: the first section on the thread that makes or ends the pool, the second on any thread.
class worker_threads : immovable {
public:
    worker_threads(pool& owner, std::size_t workers) : pool_(owner) { own_.reserve(workers); }

    // ---- The own threads ----
    /// Starts a thread for each worker. If that fails, begins the shutdown.
    [[nodiscard]] result<void> start_all() noexcept;
    /// Returns their number, without the calling one.
    [[nodiscard]] std::size_t count_others() const noexcept;
    void join() noexcept;
    void detach() noexcept;

    // ---- Hand-over ----
    /// Hands a worker over to another thread, which runs it from then on. Returns false if there is no such thread; the
    /// caller keeps the worker then.
    [[nodiscard]] bool hand_over(worker& which) noexcept;
    /// Records that a poll that handed its worker over has ended or has taken the worker back.
    /// Preconditions: called on the thread that called hand_over().
    void end_in_place(worker* taken_back = nullptr) noexcept;
    /// Starts a thread for an offered worker after the blocking threads have been shut down. If no thread can be
    /// started, the poll that offered the worker takes it back.
    void continue_without_blocking_threads(worker& which) noexcept;

private:
    [[nodiscard]] result<sys::thread> start(worker& which, bool is_late) noexcept;
    [[nodiscard]] bool start_late(worker& which) noexcept;

    pool& pool_;
    std::vector<sys::thread> own_;
};

}  // namespace eddy::detail
