// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include <eddy/time/clock.hpp>

#include "channels.hpp"
#include "database.hpp"
#include "request_codec.hpp"

namespace mini_redis {

/// What a server allows.
struct server_limits {
    request_limits request;
    std::size_t keys = std::numeric_limits<std::size_t>::max();  ///< commands that add some are refused then
    std::size_t clients = 10'000;                                ///< further ones wait to be accepted
    std::size_t subscriber = 32U << 20;                          ///< bytes that wait for a slow subscriber
    std::chrono::seconds drain{5};                               ///< how long clients may finish at the end

    server_limits() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// What all connections share, on one loop.
struct server_state {
    explicit server_state(const server_limits& allowed) : limits(allowed) {}

    server_limits limits;
    database keys;
    channels topics;
    std::uint16_t port = 0;
    eddy::time::time_point started = eddy::time::clock::now();
    // For INFO.
    std::uint64_t commands = 0;
    std::uint64_t connections = 0;
    std::size_t clients = 0;
};

/// What one connection has.
struct client_state {
    std::optional<subscriptions> subscribed;  ///< from the first SUBSCRIBE on
    bool wants_end = false;                   ///< after what is answered now

    [[nodiscard]] bool is_subscriber() const noexcept { return subscribed && !subscribed->names().empty(); }
};

}  // namespace mini_redis
