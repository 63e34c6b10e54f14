// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/core.hpp>

namespace support {

/// Whether loops and workers have a ring, if nothing else is said: what differs then, a test says where it asks.
inline bool has_ring() {
    static const bool has = eddy::core().driver() == eddy::driver_kind::io_uring;
    return has;
}

}  // namespace support
