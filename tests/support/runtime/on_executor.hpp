// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <atomic>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/task/task.hpp>

#include "support/executors.hpp"

namespace support {

/// Tests that run on an event loop (0), or on a runtime with as many workers as the parameter says.
class on_executor : public testing::TestWithParam<unsigned> {
protected:
    executor on{GetParam()};
};

/// Waits forever. `living` counts this task while it exists.
inline eddy::task<void> wait_for_ever(census& living) {
    const auto mine = living.begin_life();
    co_await eddy::pending();
}

inline eddy::task<void> add_one_later(std::atomic<int>& to, int yields = 3) {
    for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
    ++to;
}

}  // namespace support
