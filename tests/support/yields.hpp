// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/future/yield_now.hpp>
#include <eddy/task/task.hpp>

namespace support {

inline eddy::task<void> yields(std::uint64_t times) {
    for (; times > 0; --times) co_await eddy::yield_now();
}

}  // namespace support
