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
#include "reply_writer.hpp"
#include "request_codec.hpp"
#include "transaction.hpp"

namespace mini_redis {

/// The limits of a server.
struct server_limits {
    request_limits request;
    std::size_t keys =
        std::numeric_limits<std::size_t>::max();  ///< at this number, commands that add keys are rejected
    std::size_t clients = 10'000;                 ///< further clients wait to be accepted
    std::size_t subscriber = 32U << 20;           ///< bytes of unsent messages of a subscriber
    std::chrono::seconds drain{5};                ///< time for clients to finish at the end

    server_limits() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The state that all connections share.
/// Thread safety: for one event loop.
struct server_state {
    explicit server_state(const server_limits& allowed) : limits(allowed) {}

    server_limits limits;
    database keys;
    channels topics;
    std::uint16_t port = 0;
    eddy::time::time_point started = eddy::time::clock::now();
    // Counters for INFO.
    std::uint64_t commands = 0;
    std::uint64_t connections = 0;
    std::size_t clients = 0;
};

/// The state of one connection.
struct client_state {
    explicit client_state(std::uint64_t number) noexcept : id(number) {}

    std::uint64_t id;
    std::string name;
    std::string library_name;
    std::string library_version;
    protocol version = protocol::resp2;
    transaction multi;
    std::optional<subscriptions> subscribed;  ///< set by the first SUBSCRIBE
    bool wants_end = false;                   ///< disconnect after the current replies

    /// Returns whether the client may only send commands for subscriptions: replies and messages look alike in RESP2.
    [[nodiscard]] bool is_limited_to_subscriptions() const noexcept {
        return version == protocol::resp2 && subscribed && !subscribed->names().empty();
    }
};

}  // namespace mini_redis
