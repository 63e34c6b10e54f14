// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#ifndef EDDY_RUN_QUEUE_CAPACITY
#define EDDY_RUN_QUEUE_CAPACITY 256  // test builds use 4, to reach the full and the wrapping ring
#endif

namespace eddy::detail {

/// The capacity of each queue of a worker.
inline constexpr std::size_t queue_capacity = EDDY_RUN_QUEUE_CAPACITY;

}  // namespace eddy::detail
