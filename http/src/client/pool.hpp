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
#include <eddy/future/future.hpp>
#include <eddy/http/client.hpp>
#include <eddy/sync/notify.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/time/clock.hpp>

#include "client/idle_keeper.hpp"
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

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &client_connection::stream); }

    /// `socket` is the descriptor of the TCP connection below all layers.
    client_connection(io::boxed_stream&& below, int socket, std::chrono::nanoseconds limit, std::string to)
        : stream(std::move(below), limit), address(std::move(to)), socket_(socket) {}

    /// Marks the connection as idle. Call it when all received bytes were read. `keeper` is notified when there is more
    /// to read; it may be null. Returns false if there is already.
    [[nodiscard]] bool begin_idle(const std::shared_ptr<sync::notify>& keeper) {
        if (keeper) {
            auto* const made = new idle_watch(keeper);
            watching_ = made->into_waker();
            watch_ = made;
            context cx(watching_);
            if (stream.poll_fill_idle(cx).is_ready()) return false;
        }
        received_ = sys::received_bytes(socket_);
        return true;
    }
    /// Begins the time for which the connection has been idle.
    void set_idle_since(time::time_point now) noexcept { idle_since_ = now; }
    [[nodiscard]] time::time_point idle_since() const noexcept { return idle_since_; }
    /// Returns whether the keeper was notified since begin_idle().
    [[nodiscard]] bool has_news() const noexcept { return watch_ != nullptr && watch_->has_news(); }
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

    std::unique_ptr<client_connection> next;  // in the list of an idle_keeper

private:
    int socket_;
    std::uint64_t received_ = 0;
    time::time_point idle_since_;
    waker watching_;
    const idle_watch* watch_ = nullptr;  // owned by `watching_`
};

/// Returns the end of the keys of connections that belong to the current event loop: "/" and its number, or an empty
/// text on the workers of a pool, which share their connections.
[[nodiscard]] std::string pool_key_of_loop();

/// The state that all copies of a client share: the options, and the connections by origin and event loop. Requests
/// that are forwarded by a proxy have the proxy as their origin. The idle connections of an event loop have an
/// idle_keeper, which closes them.
///
/// The table has about most_origins entries. With more of them, take(), put() and set_shared() remove the origins
/// without a connection, and then those that were used longest ago.
/// Thread safety: any thread.
class http_client : public std::enable_shared_from_this<http_client> {
public:
    explicit http_client(http::client_options&& chosen);
    http_client(const http_client&) = delete;
    http_client& operator=(const http_client&) = delete;
    /// Shuts down the idle connections gracefully. The keepers of other threads end theirs later.
    ~http_client();

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

    // For the keepers of idle connections. `loop` is the end of the keys of their connections.

    /// Closes the connections that have been idle for too long, and those that are not quiet. Returns when the next one
    /// will be too old.
    /// Preconditions: the thread runs the event loop.
    [[nodiscard]] time::time_point close_idle(std::string_view loop, idle_keeper& of);
    /// Removes a keeper whose event loop ends, and hands all idle connections of that loop over to it.
    void end_keeper(const std::string& loop, idle_keeper& of) noexcept;

    /// Returns the number of entries of the table, for tests.
    [[nodiscard]] std::size_t origins();

private:
    using idle_list = std::vector<std::unique_ptr<client_connection>>;
    struct origin_state {
        idle_list idle;  // sorted by idle_since(), which is set under the lock
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
    /// Connections that are closed without the lock, by destroying this object.
    struct expired {
        idle_list here;  // of this event loop
        /// Of other loops, with their keepers: only these may send close_notify on them.
        std::vector<std::pair<std::shared_ptr<idle_keeper>, std::unique_ptr<client_connection>>> elsewhere;
        std::vector<std::shared_ptr<http2_handle>> shared;

        expired() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
        expired(const expired&) = delete;
        expired& operator=(const expired&) = delete;
        ~expired();
    };

    /// Moves the connections before `end` from the list of the origin `key` to `old`.
    /// Errors: std::bad_alloc. Then no connection was moved.
    void expire(expired& old, std::string_view key, idle_list& from, idle_list::iterator end);
    /// Returns the keeper of the current event loop, and starts its task if there is none. Returns null without an
    /// executor.
    std::shared_ptr<idle_keeper> keeper_here();
    /// Returns the entry of an origin, which is made if there is none.
    origin_state& entry(const std::string& origin);
    /// Removes connections that have been idle for too long, and the origins above most_origins.
    void remove_expired(expired& old);
    void remove_origins(expired& old);

    const http::client_options options_;
    const proxy_choice proxies_;
    atomic<unsigned> dropped_bodies_{0};  // relaxed: a number for a message
    mutex lock_;                          // guards the members below
    std::unordered_map<std::string, origin_state> all_;
    std::unordered_map<std::string, std::shared_ptr<idle_keeper>> keepers_;  // by the end of the keys
};

}  // namespace eddy::detail
