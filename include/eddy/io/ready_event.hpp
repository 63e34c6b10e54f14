// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/io/ready.hpp>

namespace eddy::io {

/// What a registration knew about its source at one moment. Handed to `clear_readiness`, it clears only what was seen:
/// an event that has arrived since then wins.
struct ready_event {
    io::ready ready;           ///< the conditions that were asked for and hold
    std::uint16_t tick = 0;    ///< which of the source's own events was the last
    bool is_shutdown = false;  ///< the driver is gone: there will be no further event

    ready_event() noexcept = default;
    ready_event(io::ready what, std::uint16_t when, bool shutdown) noexcept
        : ready(what), tick(when), is_shutdown(shutdown) {}
};

}  // namespace eddy::io
