// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

class core_shared;

/// The loop that runs on this thread now, or null. By itself, so that a waker compares one pointer.
inline constinit thread_local core_shared* running_here = nullptr;

}  // namespace eddy::detail
