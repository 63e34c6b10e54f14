// SPDX-License-Identifier: MIT
#pragma once

namespace explore {

/// How often worker_set::notify_one() was called. For models of one thread.
extern unsigned notifications;

}  // namespace explore
