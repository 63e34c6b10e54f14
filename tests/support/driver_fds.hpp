// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "support/driver.hpp"

namespace support {

/// Returns how many descriptors the default driver of an event loop uses.
inline std::size_t fds_per_loop() {
    if (has_kqueue()) return 5;  // the emulation in tests/support/kqueue, and libkqueue, use five
    return has_ring() ? 3 : 2;   // an epoll, an eventfd, and possibly a ring; with poll(2), the two ends of a pipe
}

/// Returns how many descriptors the default driver of a worker uses. A worker with an epoll also has a timerfd.
inline std::size_t fds_per_worker() { return fds_per_loop() + (has_epoll() ? 1 : 0); }

}  // namespace support
