// SPDX-License-Identifier: MIT
#pragma once

namespace explore {

/// How often worker_set::notify_one() was called. For models of one thread.
extern unsigned notifications;

/// How often pool_shutdown::begin() was called, since a model has set it to zero.
extern unsigned shutdowns;

}  // namespace explore
