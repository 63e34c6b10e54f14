// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class local_tasks;
class task_owner;

/// The local set that spawn_local() uses on this thread: the innermost one that is polled or was entered; null if there
/// is none.
inline constinit thread_local local_tasks* local_here = nullptr;

/// The innermost local set whose tasks are being polled on this thread, or null. The set outlives the poll, and a
/// wake-up of its tasks on this thread needs no lock.
inline constinit thread_local const task_owner* local_polled_here = nullptr;

}  // namespace eddy::detail
