// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/runtime/core.hpp>

namespace support {

/// Returns whether event loops and workers use io_uring by default. Tests that depend on it say why.
inline bool has_ring() {
    static const bool has = eddy::core().driver() == eddy::driver_kind::io_uring;
    return has;
}

/// Returns whether the default driver contains an epoll. Tests that depend on it have `Epoll` in their name.
inline bool has_epoll() {
    static const bool has = eddy::core().driver() != eddy::driver_kind::poll;
    return has;
}

}  // namespace support
