// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class local_tasks;
class task_owner;

/// Where spawn_local() puts tasks on this thread: the innermost local set that is polled or was entered. Else null.
inline constinit thread_local local_tasks* local_here = nullptr;

/// The innermost local set whose tasks are being polled on this thread, or null. The set outlives the poll, and a
/// wake-up of its tasks on this thread needs no lock.
inline constinit thread_local const task_owner* local_polled_here = nullptr;

}  // namespace eddy::detail
