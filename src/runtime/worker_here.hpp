// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class pool;
class worker;
class task_owner;

/// The worker that this thread is, and the pool that it belongs to; null elsewhere. (The second beside the first, so
/// that a waker compares one pointer.)
inline constinit thread_local worker* worker_here = nullptr;
inline constinit thread_local const task_owner* worker_owner_here = nullptr;

/// Of which pool this thread polls a task though it is none of its workers any more (block_in_place); null elsewhere.
inline constinit thread_local const pool* in_place_of = nullptr;

/// Whether this thread is in the function of a block_in_place, where it may block, and not in the rest of such a poll.
inline constinit thread_local bool is_in_blocking_call = false;

/// Whether this thread is in what follows a block_in_place in the same poll. That may come after the end of the pool,
/// whose timers are gone then: the task is cancelled when its poll has ended.
[[nodiscard]] inline bool is_in_rest_of_poll() noexcept { return in_place_of != nullptr && !is_in_blocking_call; }

/// Of which pool this thread is a worker that destroys what is left, and is in a block_in_place there, so that
/// worker_here is null; null elsewhere.
inline constinit thread_local const pool* ends_worker_of = nullptr;

/// Of which pool this thread does blocking work; null elsewhere.
inline constinit thread_local const pool* blocking_work_of = nullptr;

}  // namespace eddy::detail
