// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/runtime/core.hpp>

namespace support {

/// Returns whether event loops and workers use io_uring by default. A test that depends on the result must say why.
inline bool has_ring() {
    static const bool has = eddy::core().driver() == eddy::driver_kind::io_uring;
    return has;
}

/// Returns whether the default driver contains an epoll. A test that depends on the result has `Epoll` in its name.
inline bool has_epoll() {
    static const auto kind = eddy::core().driver();
    return kind == eddy::driver_kind::epoll || kind == eddy::driver_kind::io_uring;
}

/// Returns whether the default driver is a kqueue. A test that depends on the result must say why.
inline bool has_kqueue() {
    static const bool has = eddy::core().driver() == eddy::driver_kind::kqueue;
    return has;
}

}  // namespace support
