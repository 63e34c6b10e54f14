// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/future/yield_now.hpp>
#include <eddy/task/task.hpp>

namespace support {

/// Lets the other tasks of this thread's event loop run.
inline eddy::task<void> let_others_run() {
    for (int i = 0; i < 5; ++i) co_await eddy::yield_now();
}

}  // namespace support
