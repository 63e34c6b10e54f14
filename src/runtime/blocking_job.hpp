// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::inline v0_1::detail {

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

}  // namespace eddy::detail
