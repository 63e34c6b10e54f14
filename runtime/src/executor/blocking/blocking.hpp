// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

/// A queue entry for work that may block. It is the base of an object that owns what the work needs.
/// After submit() has accepted a job, exactly one of the two functions is called, once. It consumes the job and may
/// free it. Neither function throws; an exception of the work is part of the work's outcome.
struct blocking_job {
    using function = void (*)(blocking_job&) noexcept;

    blocking_job(function when_run, function when_cancelled) noexcept : run(when_run), cancel(when_cancelled) {}

    blocking_job* next = nullptr;  ///< link of the pool's queue
    function run;                  ///< does the work, on a thread of the pool
    function cancel;               ///< called instead of run by a shutdown, on the thread that calls shutdown()
};

// Jobs for the two blocking pools of the process. Their threads are started on demand and never joined, not even at
// process exit. There are two pools, so that name lookups do not wait for blocking work of users.
// Thread safety: any thread.
// Cost: same as blocking_pool::submit() after the first call.

/// Runs a name lookup.
/// Errors: same as sys::thread::start() if no thread can be started; not_enough_memory. The caller keeps the job then.
[[nodiscard]] result<void> submit_lookup(blocking_job& job) noexcept;

/// Runs blocking work of an event loop, which has no blocking threads.
/// Errors: same as submit_lookup().
[[nodiscard]] result<void> submit_blocking(blocking_job& job) noexcept;

class sleeping_place;

/// Prevents the clock of the event loop that runs on this thread from advancing by itself while it is paused. A job has
/// a held_clock as a member if it runs on another thread and a task of the loop may wait for it. Does nothing without
/// an event loop.
/// Thread safety: the destructor may run on any thread. Destroy it after the job has woken its waiters.
class held_clock : immovable {
public:
    held_clock() noexcept;
    ~held_clock();

private:
    sleeping_place* place_ = nullptr;
};

}  // namespace eddy::detail
