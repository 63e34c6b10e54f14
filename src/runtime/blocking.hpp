// SPDX-License-Identifier: MIT
#pragma once

#include "runtime/blocking_pool.hpp"

namespace eddy::detail {

// Jobs for threads that may block: of two pools of the whole process, whose threads are started when they are needed
// and never waited for, not even when the process ends. Two, so that names do not wait until a stranger's work has
// ended. Thread safety: any thread. Cost: after the first call, that of blocking_pool::submit().

/// Looks up a name. False if no thread can be had: the job is still the caller's then.
[[nodiscard]] bool submit_lookup(blocking_job& job) noexcept;

/// Runs blocking work of a loop, which has no threads of its own for it. False as submit_lookup().
[[nodiscard]] bool submit_blocking(blocking_job& job) noexcept;

}  // namespace eddy::detail
