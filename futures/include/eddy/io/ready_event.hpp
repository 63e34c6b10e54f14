// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <eddy/io/readiness.hpp>

namespace eddy::io {

/// The readiness of a source at one moment. Pass it to clear_readiness(), which clears nothing if an event arrived
/// after that moment.
/// Thread safety: a plain value.
struct ready_event {
    io::ready ready;           ///< the conditions that hold, of those that were requested
    std::uint16_t tick = 0;    ///< the number of the last event of this source; it wraps
    bool is_shutdown = false;  ///< the driver has ended: there will be no further event

    /// Constructs an event without conditions, or from its parts.
    ready_event() noexcept = default;
    ready_event(io::ready what, std::uint16_t when, bool shutdown) noexcept
        : ready(what), tick(when), is_shutdown(shutdown) {}
};

}  // namespace eddy::io
