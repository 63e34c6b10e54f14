// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string_view>

#include <eddy/detail/core_task.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/error.hpp>
#include <eddy/result.hpp>

namespace eddy::detail {

// What the templates of core.hpp call of the loop's shared state; the class itself is in src/core.

EDDY_API void retain(core_shared& loop) noexcept;
EDDY_API void release(core_shared& loop) noexcept;

/// Whether this is the thread that the loop belongs to.
[[nodiscard]] EDDY_API bool on_loop_thread(const core_shared& loop) noexcept;
/// Whether nothing can be spawned any more: the loop is gone, or its driver is, in a forked child.
[[nodiscard]] EDDY_API bool is_closed(const core_shared& loop) noexcept;

/// Throws `wrong_thread` unless this is the loop's thread.
EDDY_API void check_thread(const core_shared& loop, std::source_location where);

// A task's references, and its abort: any thread.
EDDY_API void retain_core_task(core_task& task) noexcept;
EDDY_API void release_core_task(core_task& task) noexcept;
EDDY_API void cancel_core_task(core_task& task) noexcept;

/// Puts a new task into the loop, to be polled at its next turn. On the loop's thread; the loop is not closed.
EDDY_API void adopt_task(core_shared& loop, core_task& task) noexcept;

/// Hands an exception to the loop's handler, as one of work that was spawned at `where`.
EDDY_API void report_uncaught(core_shared& loop, std::exception_ptr thrown, const std::source_location& where,
                              std::string_view name = {}) noexcept;

/// Sends a job to the loop. False if the loop is gone: the job is still the caller's. Any thread.
[[nodiscard]] EDDY_API bool send_job(core_shared& loop, inbound_node& job) noexcept;

/// Throws unless run() and turn() are allowed here: the loop's thread, and not inside a loop.
EDDY_API void check_entry(const core_shared& loop, std::source_location where);

/// Turns the loop until `done`, which `main` sets. If that throws, `main` is gone.
EDDY_API void run_until_done(core_shared& loop, core_task& main, const bool& done, std::source_location where);

/// Turns the loop until no task is alive.
EDDY_API void run_until_idle(core_shared& loop, std::source_location where);

/// The loop that runs on this thread now, or null.
[[nodiscard]] EDDY_API core_shared* current_loop() noexcept;

/// Whether this thread runs the tasks of a loop or of a runtime: then it must not block.
[[nodiscard]] EDDY_API bool runs_tasks_here() noexcept;

}  // namespace eddy::detail
