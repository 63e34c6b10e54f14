// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class pool;
class worker;
class task_owner;

/// The worker that this thread runs, and its pool; null on other threads. The pool has its own variable so that a waker
/// compares one pointer.
inline constinit thread_local worker* worker_here = nullptr;
inline constinit thread_local const task_owner* worker_owner_here = nullptr;

/// The pool whose task this thread polls after it has handed its worker over (block_in_place); null elsewhere.
inline constinit thread_local const pool* in_place_of = nullptr;

/// True while this thread is inside the function passed to block_in_place, where it may block.
inline constinit thread_local bool is_in_blocking_call = false;

/// Returns whether this thread is in the part of a poll that follows a block_in_place. The pool may have closed by then
/// and its timers are gone. In this case the task is cancelled at the end of the poll.
[[nodiscard]] inline bool is_in_rest_of_poll() noexcept { return in_place_of != nullptr && !is_in_blocking_call; }

/// The pool whose remaining tasks this worker thread destroys, while it is inside a block_in_place (worker_here is null
/// then); null elsewhere.
inline constinit thread_local const pool* ends_worker_of = nullptr;

/// The pool whose blocking work this thread runs; null elsewhere.
inline constinit thread_local const pool* blocking_work_of = nullptr;

}  // namespace eddy::detail
