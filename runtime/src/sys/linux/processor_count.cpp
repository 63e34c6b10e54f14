// SPDX-License-Identifier: MIT
#include <sched.h>

#include <algorithm>
#include <thread>

#include "sys/linux/cpu_quota.hpp"
#include "sys/thread.hpp"

namespace eddy::sys {

namespace {

/// Returns how many processors this thread may run on. std::thread::hardware_concurrency() ignores the affinity.
unsigned processors_of_affinity() noexcept {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    if (::sched_getaffinity(0, sizeof usable, &usable) == 0)
        return static_cast<unsigned>(std::max(1, CPU_COUNT(&usable)));
    return std::max(1u, std::thread::hardware_concurrency());  // more processors than cpu_set_t can represent
}

}  // namespace

unsigned processor_count() noexcept {
    static const unsigned quota = cpu_quota();  // read once: it takes some system calls, and nothing acts on its change
    const unsigned processors = processors_of_affinity();
    return quota == 0 ? processors : std::min(quota, processors);
}

}  // namespace eddy::sys
