// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class core_shared;

/// The event loop that runs on this thread now, or null. A separate variable, so that a waker compares one pointer.
inline constinit thread_local core_shared* running_here = nullptr;

}  // namespace eddy::detail
