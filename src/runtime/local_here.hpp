// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class local_tasks;
class task_owner;

/// Where spawn_local() goes on this thread: the innermost local set that is polled here, or that was entered.
inline constinit thread_local local_tasks* local_here = nullptr;

/// The local set whose tasks are being polled on this thread, the innermost one: it outlives the poll, and what its
/// tasks wake of it needs no lock.
inline constinit thread_local const task_owner* local_polled_here = nullptr;

}  // namespace eddy::detail
