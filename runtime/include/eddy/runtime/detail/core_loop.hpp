// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/task/detail/spawned_task.hpp>

namespace eddy::detail {

class core_shared;

// The functions of an event loop's shared state that templates call. The class core_shared is in
// runtime/src/executor/loop. "The loop's thread" is the thread that created the event loop; functions without a thread
// note are called there only.

/// Adds a reference to the event loop's shared state. Callable on any thread.
EDDY_API void retain(core_shared& loop) noexcept;
/// Drops a reference; the last one frees the shared state. Callable on any thread.
EDDY_API void release(core_shared& loop) noexcept;

/// Returns whether spawning is impossible: the event loop was destroyed, or this is a forked child and the driver
/// belongs to the parent process.
[[nodiscard]] EDDY_API bool is_closed(const core_shared& loop) noexcept;

/// Throws `wrong_thread` unless the calling thread is the loop's thread. Callable on any thread.
EDDY_API void check_thread(const core_shared& loop, std::source_location where);

/// Returns the event loop as the owner of its tasks.
[[nodiscard]] EDDY_API spawned_task_owner& owner_of(core_shared& loop) noexcept;

/// Sends a new task to the event loop. Returns false if the event loop is closed: then the task was destroyed. Callable
/// on any thread.
[[nodiscard]] EDDY_API bool send_task(core_shared& loop, spawned_task& task) noexcept;

/// Throws unless run() and turn() are allowed: on the loop's thread, and not from inside an event loop or a worker.
EDDY_API void check_entry(const core_shared& loop, std::source_location where);

/// Runs the event loop until `main` has set `done`. If it throws, `main` was destroyed.
EDDY_API void run_until_done(core_shared& loop, spawned_task& main, const bool& done, std::source_location where);

/// Runs the event loop until it has no tasks.
EDDY_API void run_until_idle(core_shared& loop, std::source_location where);

}  // namespace eddy::detail
