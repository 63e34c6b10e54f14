// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <eddy/detail/export.hpp>

namespace eddy {

/// What dump_tasks() returns.
enum class dump_format : unsigned char {
    text,  ///< as `eddy tree` prints it
    json,  ///< one JSON object, as `eddy tree --json` prints it
};

/// Returns all tasks of this process, in all runtimes, event loops and local sets: for each one its id, name and state,
/// its coroutines with function, file and line, and what the innermost one waits for. Tasks with equal coroutines are
/// shown once, with their number. It is for programs that hang, also in release builds:
///     std::fputs(eddy::dump_tasks().c_str(), stderr);
/// The environment variable EDDY_DUMP=SIGQUIT prints the same on standard error whenever that signal arrives, without
/// code in the program, and also while all threads that run tasks are blocked. `eddy tree PID` shows it from outside.
///
/// No task is stopped. A task that runs meanwhile is shown as running, as is the caller's. Limits and their notes:
/// docs/format.md of the folder inspect.
/// Errors: std::bad_alloc.
/// Thread safety: any thread, but not in a signal handler.
/// Cost: about 5 us for a task, and a copy of its memory until the function returns.
[[nodiscard]] EDDY_API std::string dump_tasks(dump_format as = dump_format::text);

}  // namespace eddy
