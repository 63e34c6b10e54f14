// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class pool;
class worker;
class task_owner;

/// The worker that this thread is, and the pool that it belongs to; null elsewhere. (The second beside the first, so that
/// a waker compares one pointer.)
inline constinit thread_local worker* worker_here = nullptr;
inline constinit thread_local const task_owner* worker_owner_here = nullptr;

/// Of which pool this thread polls a task though it is none of its workers any more (block_in_place); null elsewhere.
inline constinit thread_local const pool* in_place_of = nullptr;

/// Of which pool this thread does blocking work; null elsewhere.
inline constinit thread_local const pool* blocking_work_of = nullptr;

}  // namespace eddy::detail
