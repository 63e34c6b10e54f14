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
    std::size_t at_least = 10;                      ///< how many tasks wait for one lock; 0 is treated as 1
};

/// Starts a thread that looks for locks (sync::mutex, sync::rwlock, sync::semaphore) that many tasks have been waiting
/// for, without any of them getting the lock. It prints each such lock on standard error, with the places of the tasks.
/// This may be a deadlock, or a task that holds the lock for long: a suspicion is no proof. (A program in which nothing
/// can go on is reported without this function; see runtime_builder::report_deadlocks().) A lock is printed once. If a
/// task has got it since, or no longer waits for it, it may be printed again. The thread ends with the program; a
/// forked child has none until it calls this function. A later call changes what is suspected.
/// Errors: invalid_argument if `longer_than` is not positive; what the start of a thread reports; not_enough_memory.
/// Thread safety: any thread.
/// Cost: reads all tasks eight times in `longer_than`, at most once a millisecond; see dump_tasks().
EDDY_API result<void> report_suspected_deadlocks(suspicion of = {}) noexcept;

}  // namespace eddy
