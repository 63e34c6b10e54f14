// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>
#include <string_view>

#include <eddy/detail/core_task.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {

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

/// Queues a new task for its first poll.
/// Preconditions: the event loop is not closed.
EDDY_API void adopt_task(core_shared& loop, core_task& task) noexcept;

struct unread_failure;

/// Passes an exception, or an error, of work that was spawned at `where` to the event loop's handler.
EDDY_API void report_failure(core_shared& loop, unread_failure failure, const std::source_location& where,
                             std::string_view name = {}) noexcept;

/// Sends a job to the event loop. Returns false if the event loop is closed: then the caller still owns the job.
/// Callable on any thread.
[[nodiscard]] EDDY_API bool send_job(core_shared& loop, inbound_node& job) noexcept;

/// Throws unless run() and turn() are allowed: on the loop's thread, and not from inside an event loop or a worker.
EDDY_API void check_entry(const core_shared& loop, std::source_location where);

/// Runs the event loop until `main` has set `done`. If it throws, `main` was destroyed.
EDDY_API void run_until_done(core_shared& loop, core_task& main, const bool& done, std::source_location where);

/// Runs the event loop until it has no tasks.
EDDY_API void run_until_idle(core_shared& loop, std::source_location where);

}  // namespace eddy::detail
