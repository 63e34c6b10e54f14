// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>

#include "support/executors.hpp"

// The tasks that the tests of join_set, join_queue and join_map join.

namespace support {

inline eddy::task<int> gives(int value) { co_return value; }
inline eddy::task<int> gives_later(int value) {
    co_await eddy::yield_now();
    co_return value;
}
inline eddy::task<int> throws_later() {
    co_await eddy::yield_now();
    throw std::runtime_error("thrown");
}
inline eddy::task<int> after(eddy::sync::oneshot<int>::receiver rx) { co_return (co_await rx).value(); }
inline eddy::task<int> never() {
    co_await eddy::pending<void>();
    co_return 0;
}
/// Never completes. Holds the `life` until the task is destroyed.
inline eddy::task<int> holds(census::life) {
    co_await eddy::pending<void>();
    co_return 0;
}

}  // namespace support
