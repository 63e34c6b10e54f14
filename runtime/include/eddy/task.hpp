// SPDX-License-Identifier: MIT
#pragma once

// Umbrella header for tasks: coroutines, and the functions that spawn and join them.
//
// Unless a docstring says otherwise:
// Thread safety: one thread at a time.
// Cancel safety: safe. A future can be dropped at any time, and nothing is lost.

#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>  // blocking work: spawn_blocking, block_in_place
#include <eddy/task/task.hpp>            // the coroutine type
#include <eddy/task/task_builder.hpp>    // tasks with a name

#include <eddy/task/abort_on_drop.hpp>  // a join handle that aborts
#include <eddy/task/join_handle.hpp>
#include <eddy/task/join_map.hpp>    // tasks with keys
#include <eddy/task/join_queue.hpp>  // many tasks, joined in the order of their spawns
#include <eddy/task/join_set.hpp>    // many tasks, joined as they end
#include <eddy/task/scope.hpp>       // child tasks that may use their parent's locals
#include <eddy/task/scope_all.hpp>   // parallel computations that return their outputs

#include <eddy/task/dump_tasks.hpp>        // where tasks wait, for programs that hang
#include <eddy/task/local_set.hpp>         // tasks that never run at the same time: local_set, spawn_local
#include <eddy/task/task_local.hpp>        // values that belong to a task
#include <eddy/task/task_owner.hpp>        // background tasks of an object
#include <eddy/task/task_statistics.hpp>   // what each task has used
#include <eddy/task/unobserved_error.hpp>  // errors of tasks whose handle was dropped

#ifndef EDDY_NO_THREADS
#include <eddy/task/local_pool.hpp>           // threads with an event loop each, for tasks that stay on their thread
#include <eddy/task/suspected_deadlocks.hpp>  // tasks that wait for a lock for too long
#endif
