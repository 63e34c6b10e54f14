// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy {

/// What report_suspected_deadlocks() suspects.
struct suspicion {
    std::chrono::milliseconds longer_than{30'000};  ///< how long the tasks have waited
    std::size_t at_least = 10;                      ///< how many tasks wait for one lock
};

/// Starts a thread that looks for locks (sync::mutex, sync::rwlock, sync::semaphore) for which many tasks wait and that
/// none of them gets, and prints each of them once on standard error, with the places of the tasks. This may be a
/// deadlock, or a task that holds the lock for long: a suspicion is no proof. (A program in which nothing can go on is
/// reported without this function; see runtime_builder::report_deadlocks().) The thread ends with the program. A later
/// call changes what is suspected.
/// Errors: what the start of a thread reports; not_enough_memory.
/// Thread safety: any thread.
/// Cost: reads all tasks eight times in `longer_than`; see dump_tasks().
EDDY_API result<void> report_suspected_deadlocks(suspicion of = {}) noexcept;

}  // namespace eddy
