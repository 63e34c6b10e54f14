// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <string>

#include "executor/pool/queue_capacity.hpp"

// EDDY_TEST_QUEUE_CAPACITY is the capacity of the queues of all workers, instead of 256.

namespace {

const bool is_set = [] {
    const char* const capacity = std::getenv("EDDY_TEST_QUEUE_CAPACITY");
    if (capacity != nullptr) eddy::detail::queue_capacity = std::stoul(capacity);
    return capacity != nullptr;
}();

}  // namespace
