// SPDX-License-Identifier: MIT
#include <algorithm>
#include <thread>

#include "sys/thread.hpp"

namespace eddy::sys {

unsigned processor_count() noexcept { return std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace eddy::sys
