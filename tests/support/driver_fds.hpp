// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "support/driver.hpp"

namespace support {

/// Returns how many descriptors the default driver of an event loop uses.
inline std::size_t fds_per_loop() {
    if (has_kqueue()) return 5;  // of the emulation, tests/support/kqueue
    return has_ring() ? 3 : 2;   // an epoll and an eventfd, and possibly a ring; or a pipe
}

/// Returns the same for a worker. Beside an epoll, it has a timerfd.
inline std::size_t fds_per_worker() { return fds_per_loop() + (has_epoll() ? 1 : 0); }

}  // namespace support
