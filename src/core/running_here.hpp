// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class core_shared;

/// The loop that runs on this thread now, or null. What it points at may be compared, by whoever has a task that may have
/// outlived its loop, before it is known to live.
inline constinit thread_local core_shared* running_here = nullptr;

}  // namespace eddy::detail
