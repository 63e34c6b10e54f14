// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/http/client.hpp>
#include <eddy/time/clock.hpp>

#include "http/message_stream.hpp"

namespace eddy::inline v0_1::detail {

/// A connection of a client, and the address of its peer.
struct client_connection {
    message_stream stream;
    std::string address;

    client_connection(io::boxed_stream&& below, std::chrono::nanoseconds limit, std::string to)
        : stream(std::move(below), limit), address(std::move(to)) {}
};

/// The state that all copies of a client share: the options, and the idle connections by origin and event loop.
/// Thread safety: any thread.
class http_client {
public:
    explicit http_client(http::client_options&& chosen) : options_(std::move(chosen)) {}

    [[nodiscard]] const http::client_options& options() const noexcept { return options_; }

    /// Returns the connection that became idle last, or null if there is none.
    [[nodiscard]] std::unique_ptr<client_connection> take(const std::string& origin);
    /// Adds an idle connection. If the origin then has more than max_idle(), closes the one that has been idle longest.
    void put(const std::string& origin, std::unique_ptr<client_connection> connection);

private:
    struct idle {
        std::unique_ptr<client_connection> connection;
        time::time_point since;
    };
    using idle_list = std::vector<idle>;

    /// Removes connections that have been idle for too long. Returns them, so that the caller can close them without
    /// the lock.
    [[nodiscard]] idle_list remove_expired();

    const http::client_options options_;
    mutex lock_;  // guards idle_
    std::unordered_map<std::string, idle_list> idle_;
};

}  // namespace eddy::detail
