// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/result.hpp>

#include "runtime/blocking_job.hpp"

namespace eddy::inline v0_1::detail {

// Jobs for the two blocking pools of the process. Their threads are started on demand and never joined, not even at
// process exit. There are two pools, so that name lookups do not wait for blocking work of users.
// Thread safety: any thread.
// Cost: that of blocking_pool::submit() after the first call.

/// Runs a name lookup.
/// Errors: those of sys::thread::start() if no thread can be started; not_enough_memory. The caller then still owns the
/// job.
[[nodiscard]] result<void> submit_lookup(blocking_job& job) noexcept;

/// Runs blocking work of an event loop, which has no blocking threads.
/// Errors: those of submit_lookup().
[[nodiscard]] result<void> submit_blocking(blocking_job& job) noexcept;

}  // namespace eddy::detail
