// SPDX-License-Identifier: MIT
#include <algorithm>
#include <bit>
#include <thread>

#include "sys/socket_api.hpp"
#include "sys/thread.hpp"

namespace eddy::sys {

unsigned processor_count() noexcept {
    DWORD_PTR usable = 0;
    DWORD_PTR all = 0;
    // The mask is 0 if the threads of the process run in several groups of processors.
    if (::GetProcessAffinityMask(::GetCurrentProcess(), &usable, &all) != 0 && usable != 0) {
        return static_cast<unsigned>(std::popcount(usable));
    }
    return std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace eddy::sys
