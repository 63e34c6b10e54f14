// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/task/join_handle.hpp>

namespace eddy {

/// What a task has used since its start.
/// Thread safety: a plain value.
struct task_statistics {
    task_id id = 0;                    ///< 0 for a task of an event loop that has no join handle
    std::uint64_t polls = 0;           ///< polls that have ended
    std::chrono::nanoseconds busy{0};  ///< the duration of these polls
    std::uint64_t allocations = 0;     ///< memory blocks that eddy has allocated in them: coroutine frames, new tasks

    /// Constructs zeros.
    task_statistics() noexcept {}  // NOLINT: GCC 12 destroys an aggregate in a co_await twice
};

/// Returns the statistics of all tasks that exist now, of all runtimes and event loops in this process that were made
/// with `task_statistics(true)` of their builder. They are in no order.
/// Errors: std::bad_alloc.
/// Thread safety: any thread.
/// Cost: linear in the number of tasks. Polls of these tasks wait meanwhile.
[[nodiscard]] EDDY_API std::vector<task_statistics> all_task_statistics();

}  // namespace eddy
