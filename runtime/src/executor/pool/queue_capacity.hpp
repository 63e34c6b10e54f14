// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#ifndef EDDY_RUN_QUEUE_CAPACITY
#define EDDY_RUN_QUEUE_CAPACITY 256  // the models of interleavings use 4
#endif

namespace eddy::detail {

/// The greatest capacity of each queue of a worker.
inline constexpr std::size_t most_queued = EDDY_RUN_QUEUE_CAPACITY;

/// The capacity of the queues of workers that are made from now on. Only a test changes it, to reach the full and the
/// wrapping ring: tests/support/runtime/small_queue.cpp.
inline constinit std::size_t queue_capacity = most_queued;

}  // namespace eddy::detail
