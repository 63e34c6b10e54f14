// SPDX-License-Identifier: MIT
#pragma once

#include "runtime/blocking_pool.hpp"

namespace eddy::detail {

/// Runs a job on a thread that may block: of a pool of the whole process, whose threads are started when they are needed
/// and never waited for, not even when the process ends.
/// False if no thread can be had: the job is still the caller's then.
/// Thread safety: any thread. Cost: after the first call, that of blocking_pool::submit().
[[nodiscard]] bool submit_blocking(blocking_job& job) noexcept;

}  // namespace eddy::detail
