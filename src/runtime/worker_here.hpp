// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class worker;
class task_owner;

/// The worker that this thread is, and the pool that it belongs to; null elsewhere. (The second beside the first, so that
/// a waker compares one pointer.)
inline constinit thread_local worker* worker_here = nullptr;
inline constinit thread_local const task_owner* worker_owner_here = nullptr;

}  // namespace eddy::detail
