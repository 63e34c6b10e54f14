// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/task/join_handle.hpp>

namespace eddy {

/// Callbacks of a runtime, or of an event loop. They must be fast and must not throw: an exception ends
/// the program with a message. An empty function is not called.
///
/// A core has no threads of its own, so it does not call thread_start and thread_stop; a core_thread does. An event
/// loop calls the callbacks of tasks for tasks that have a number. Main futures, children of a scope, and tasks of
/// core_handle::spawn() and core_remote::spawn() have none. If before_park queues a task, the thread does not park, and
/// after_unpark is not called.
struct runtime_hooks {
    std::function<void()> thread_start;       ///< on each new thread: worker, event loop of a core_thread, blocking
    std::function<void()> thread_stop;        ///< on each thread before it ends
    std::function<void()> before_park;        ///< on a worker or event loop before it parks
    std::function<void()> after_unpark;       ///< on a worker or event loop after it was unparked
    std::function<void(task_id)> task_spawn;  ///< on the thread that spawns
    std::function<void(task_id)> before_task_poll;  ///< on the thread that polls
    std::function<void(task_id)> after_task_poll;   ///< on the thread that polled
    std::function<void(task_id)> task_terminate;    ///< after the last poll, when the task's future is destroyed

    /// Constructs hooks without callbacks.
    runtime_hooks() {}  // NOLINT: GCC 12 destroys an aggregate in a co_await twice
};

/// A function that receives a report about leaks; see runtime_builder::report_leaks(). It must not throw.
using leak_handler = std::function<void(std::string_view)>;

namespace detail {

/// The handler of report_leaks(true).
EDDY_API void print_leaks(std::string_view report);

}  // namespace detail

}  // namespace eddy
