// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/detail/call_site.hpp>

// What futures ask about tasks. The executor answers: runtime/src/executor/task/asked_of_tasks.cpp. In a program
// without one, there are no tasks: futures/src/alone/no_executor.cpp.

namespace eddy::detail {

/// Returns the location at which the task that runs on this thread was spawned; null if there is none.
[[nodiscard]] call_site spawn_site_here() noexcept;

/// Returns the number of the innermost task that is polled on this thread; 0 outside of tasks.
[[nodiscard]] std::uint64_t task_id_here() noexcept;

}  // namespace eddy::detail
