// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/http/client.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/time/clock.hpp>

#include "client/proxy.hpp"
#include "h1/message_stream.hpp"
#include "sys/quiet_socket.hpp"

namespace eddy::detail {

class http2_handle;

/// A connection of a client, and the address of its peer.
class client_connection {
public:
    message_stream stream;
    const std::string address;

    EDDY_USES_IO(client_connection, stream);

    /// `socket` is the descriptor of the TCP connection below all layers.
    client_connection(io::boxed_stream&& below, int socket, std::chrono::nanoseconds limit, std::string to)
        : stream(std::move(below), limit), address(std::move(to)), socket_(socket) {}

    /// Marks the connection as idle. Call it when all received bytes were read.
    void begin_idle() noexcept { received_ = sys::received_bytes(socket_); }
    /// Returns whether the peer has neither sent anything nor closed the connection since begin_idle(). Does not wait
    /// for the driver, which may not have noticed yet.
    [[nodiscard]] bool is_quiet() const noexcept {
        return sys::is_quiet(socket_) && sys::received_bytes(socket_) == received_;
    }

    /// Ends the connection in order, as far as that needs no wait. It is destroyed next.
    /// Preconditions: the thread runs the event loop of the connection; the last request was sent completely.
    void end() noexcept {
        const waker none = waker::noop();
        context cx(none);
        stream.end_writing(cx);
    }

private:
    int socket_;
    std::uint64_t received_ = 0;
};

/// Returns the end of the keys of connections that belong to the current event loop: "/" and its number, or an empty
/// text on the workers of a pool, which share their connections.
[[nodiscard]] std::string pool_key_of_loop();

/// The state that all copies of a client share: the options, and the connections by origin and event loop. Requests
/// that are forwarded by a proxy have the proxy as their origin.
///
/// The table has about most_origins entries. With more of them, take(), put() and set_shared() remove the origins
/// without a connection, and then those that were used longest ago.
/// Thread safety: any thread.
class http_client {
public:
    explicit http_client(http::client_options&& chosen);

    static constexpr std::size_t most_origins = 1000;

    [[nodiscard]] const http::client_options& options() const noexcept { return options_; }
    [[nodiscard]] const proxy_choice& proxies() const noexcept { return proxies_; }

    // HTTP/1.1:

    /// Returns the connection that became idle last, or null if there is none.
    [[nodiscard]] std::unique_ptr<client_connection> take(const std::string& origin);
    /// Adds an idle connection. If the origin then has more than max_idle(), closes the one that has been idle longest.
    void put(const std::string& origin, std::unique_ptr<client_connection> connection);
    /// Returns whether the origin has chosen HTTP/1.1.
    [[nodiscard]] bool is_http1(const std::string& origin);
    /// Records that the origin has chosen HTTP/1.1. Later requests do not try HTTP/2.
    void set_http1(const std::string& origin);

    /// Counts a body of a response that was destroyed unread, so that its connection is closed. In a program with
    /// EDDY_CHECKS, prints a line when that has happened most_dropped times without a put() in between.
    void note_dropped_body(const std::source_location& asked_at) noexcept;
    static constexpr unsigned most_dropped = 10;

    // HTTP/2:

    /// Returns the connection of the origin, or null if there is none that accepts requests.
    [[nodiscard]] std::shared_ptr<http2_handle> shared(const std::string& origin);
    void set_shared(const std::string& origin, std::shared_ptr<http2_handle> connection);

    /// A failed attempt to connect.
    struct failed_attempt {
        std::uint64_t number = 0;
        http::client_error error;

        failed_attempt(std::uint64_t at, http::client_error why) : number(at), error(std::move(why)) {}
    };
    /// Returns a semaphore with one permit: the right to connect to an origin whose version of HTTP is unknown.
    [[nodiscard]] std::shared_ptr<sync::semaphore> connecting(const std::string& origin);
    /// Returns the last failed attempt of a task that had the permit.
    [[nodiscard]] std::optional<failed_attempt> last_failure(const std::string& origin);
    void set_failure(const std::string& origin, http::client_error why);

    /// Returns the number of entries of the table, for tests.
    [[nodiscard]] std::size_t origins();

private:
    struct idle {
        std::unique_ptr<client_connection> connection;
        time::time_point since;
    };
    using idle_list = std::vector<idle>;
    struct origin_state {
        idle_list idle;  // sorted by `since`
        bool is_http1 = false;
        std::shared_ptr<http2_handle> shared;
        std::shared_ptr<sync::semaphore> connecting;
        std::optional<failed_attempt> failure;
        time::time_point last_use = time::clock::now();

        origin_state() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
        [[nodiscard]] bool has_connection() const noexcept { return !idle.empty() || shared; }
        /// Returns whether a request waits for the right to connect.
        [[nodiscard]] bool is_awaited() const noexcept { return connecting && connecting.use_count() > 1; }
    };
    /// Connections that the caller closes without the lock, by destroying this object.
    struct expired {
        idle_list here;       // of this event loop
        idle_list elsewhere;  // of other loops: this thread must not send close_notify on them
        std::vector<std::shared_ptr<http2_handle>> shared;

        expired() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
        expired(const expired&) = delete;
        expired& operator=(const expired&) = delete;
        ~expired() {
            for (const auto& each : here) each.connection->end();
        }

        /// Removes the connections before `end` from the list of the origin `key`, and adds them here.
        /// Errors: std::bad_alloc. Then no connection was moved.
        void take(std::string_view key, idle_list& from, idle_list::iterator end);
    };

    /// Returns the entry of an origin, which is made if there is none.
    origin_state& entry(const std::string& origin);
    /// Removes connections that have been idle for too long, and the origins above most_origins.
    void remove_expired(expired& old);
    void remove_origins(expired& old);

    const http::client_options options_;
    const proxy_choice proxies_;
    atomic<unsigned> dropped_bodies_{0};  // relaxed: a number for a message
    mutex lock_;                          // guards all_
    std::unordered_map<std::string, origin_state> all_;
};

}  // namespace eddy::detail
