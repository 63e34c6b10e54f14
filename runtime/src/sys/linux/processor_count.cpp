// SPDX-License-Identifier: MIT
#include <sched.h>

#include <algorithm>
#include <thread>

#include "sys/thread.hpp"

namespace eddy::sys {

unsigned processor_count() noexcept {
    // std::thread::hardware_concurrency() ignores the CPU affinity of the process.
    cpu_set_t usable;
    CPU_ZERO(&usable);
    if (::sched_getaffinity(0, sizeof usable, &usable) == 0)
        return static_cast<unsigned>(std::max(1, CPU_COUNT(&usable)));
    return std::max(1u, std::thread::hardware_concurrency());  // more processors than cpu_set_t can represent
}

}  // namespace eddy::sys
