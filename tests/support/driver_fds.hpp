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

/// Returns how many drivers a runtime with `workers` workers has. Eight workers share an epoll.
inline std::size_t drivers_of(std::size_t workers) { return has_epoll() && !has_ring() ? (workers + 7) / 8 : workers; }

/// Returns how many descriptors the drivers of a runtime with several workers use. Each epoll also has a timerfd.
inline std::size_t fds_of_workers(std::size_t workers) {
    return drivers_of(workers) * (fds_per_loop() + (has_epoll() ? 1 : 0));
}

}  // namespace support
