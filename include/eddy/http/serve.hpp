// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>

#include <eddy/detail/closure_guard.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/http/router.hpp>
#include <eddy/http/service.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/unobserved_error.hpp>

namespace eddy::http {

/// The options of serve(): `serve_options().max_connections(1000).shutdown(token).body_limit(10 << 20)`.
/// Thread safety: one thread at a time.
class serve_options {
public:
    /// The default options.
    serve_options() { connections_.idle_timeout(std::chrono::seconds(60)); }

    /// Same as in net::serve_options: the number of connections at a time, the token that ends the server, how long
    /// requests may continue afterwards, and the handler of the errors and exceptions of the service. Once the token is
    /// cancelled, idle connections are closed, and others after the response to their request.
    serve_options& max_connections(std::size_t most) noexcept {
        connections_.max_connections(most);
        return *this;
    }
    serve_options& shutdown(const sync::cancellation_token& token) {
        connections_.shutdown(token);
        return *this;
    }
    serve_options& drain(std::chrono::nanoseconds limit) noexcept {
        connections_.drain(limit);
        return *this;
    }
    serve_options& on_error(unobserved_error_handler handler) {
        connections_.on_error(std::move(handler));
        return *this;
    }

    /// Sets how long a connection may wait for the next request, before it is closed. 60 seconds by default.
    serve_options& idle_timeout(std::chrono::nanoseconds limit) noexcept {
        connections_.idle_timeout(limit);
        return *this;
    }
    /// Sets how long the head of a request may take from its first byte to its last. Then the client gets 408. 10
    /// seconds by default.
    serve_options& header_timeout(std::chrono::nanoseconds limit) noexcept {
        header_timeout_ = limit;
        return *this;
    }
    /// Sets how long a client may neither send bytes of a body that is read, nor take bytes of a response. Then reading
    /// the body fails with errc::timed_out, or the connection is closed. 30 seconds by default.
    serve_options& io_timeout(std::chrono::nanoseconds limit) noexcept {
        io_timeout_ = limit;
        return *this;
    }
    /// Sets the number of bytes that a head may have. Otherwise the client gets 431, or 414 if the first line alone is
    /// too long. 16 KiB by default.
    serve_options& header_limit(std::size_t bytes) noexcept {
        header_limit_ = bytes;
        return *this;
    }
    /// Sets the number of header fields of a request. Otherwise the client gets 431. 100 by default.
    serve_options& max_headers(std::size_t most) noexcept {
        max_headers_ = most;
        return *this;
    }
    /// Sets the number of bytes that the body of a request may have. A request that announces more gets 413. If a body
    /// in chunks is larger, reading it fails with http::errc::body_too_large. 2 MiB by default.
    serve_options& body_limit(std::uint64_t bytes) noexcept {
        body_limit_ = bytes;
        return *this;
    }
    /// Sets how many requests one connection may send. After the last one it is closed. Unlimited by default. 0 is
    /// treated as 1.
    serve_options& max_requests(std::uint64_t most) noexcept {
        max_requests_ = most == 0 ? 1 : most;
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] const net::serve_options& connections() const noexcept { return connections_; }
    [[nodiscard]] std::chrono::nanoseconds header_timeout() const noexcept { return header_timeout_; }
    [[nodiscard]] std::chrono::nanoseconds io_timeout() const noexcept { return io_timeout_; }
    [[nodiscard]] std::size_t header_limit() const noexcept { return header_limit_; }
    [[nodiscard]] std::size_t max_headers() const noexcept { return max_headers_; }
    [[nodiscard]] std::uint64_t body_limit() const noexcept { return body_limit_; }
    [[nodiscard]] std::uint64_t max_requests() const noexcept { return max_requests_; }

private:
    net::serve_options connections_;
    std::chrono::nanoseconds header_timeout_ = std::chrono::seconds(10);
    std::chrono::nanoseconds io_timeout_ = std::chrono::seconds(30);
    std::size_t header_limit_ = 16 * 1024;
    std::size_t max_headers_ = 100;
    std::uint64_t body_limit_ = 2 << 20;
    std::uint64_t max_requests_ = std::numeric_limits<std::uint64_t>::max();
};

}  // namespace eddy::http

namespace eddy::detail {

/// What all connections of a server share.
struct http_server {
    http::service answer;
    http::serve_options options;

    http_server(http::service&& callable, http::serve_options&& chosen)
        : answer(std::move(callable)), options(std::move(chosen)) {}
};

/// Serves one connection. Compiled once, for any type of connection.
[[nodiscard]] EDDY_API task<result<void>> serve_http(io::boxed_stream stream, std::shared_ptr<const http_server> server,
                                                     std::optional<net::socket_addr> peer,
                                                     std::optional<net::serve_connection> connection);

/// The handler of net::serve().
class http_handler {
public:
    explicit http_handler(std::shared_ptr<const http_server> server) noexcept : server_(std::move(server)) {}

    template <class Stream, class Peer>
    task<result<void>> operator()(Stream stream, Peer peer, net::serve_connection connection) const {
        // Responses are written as a whole, so waiting for more to send would only delay them.
        if constexpr (requires { stream.set_nodelay(true); }) static_cast<void>(stream.set_nodelay(true));
        std::optional<net::socket_addr> address;
        if constexpr (std::same_as<Peer, net::socket_addr>) address = peer;
        return serve_http(io::boxed_stream(std::move(stream)), server_, address, std::move(connection));
    }

private:
    std::shared_ptr<const http_server> server_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Serves HTTP/1.1 and HTTP/1.0 on a listener: calls the service for each request, one after the other on each
/// connection, and sends its responses. Returns a net::serve_report.
///     co_await try_(http::serve(std::move(listener), app, http::serve_options().shutdown(token)));
/// With GCC 12, a lambda with captures needs a name, as `app` here.
/// A request that is malformed, ambiguous or too large is refused with its status (400, 408, 413, 414, 417, 431, 501,
/// 505) before the service sees it, and the connection is closed. "Expect: 100-continue" is answered when the service
/// reads the body. HEAD gets the response of the service without its body.
///
/// Errors: those of net::serve(). If the service returns an error or throws, the client gets 500, or the status that
/// explains a body which could not be read (400, 408, 413). The error is passed to serve_options::on_error(), and the
/// connection is closed. A connection that fails is closed silently: it may be the client's fault.
/// Cancel safety: safe; see net::serve(). All connections are closed, also in the middle of a response.
/// Thread safety: see net::serve(). The service is called on several threads.
/// Lifetime: the listener and the service are moved into the future. Moving the future after its first poll terminates
/// the program.
/// Cost: a task for each connection, and one for each request, that of the service. A connection without a request has
/// no buffers.
template <class L, class F>
[[nodiscard]] auto serve(L from, F&& answer, serve_options options = serve_options(),
                         std::source_location where = std::source_location::current()) {
    auto connections = options.connections();
    detail::http_handler handler(
        std::make_shared<const detail::http_server>(service(std::forward<F>(answer)), std::move(options)));
    if constexpr (detail::is_fragile<F> && !std::same_as<F, service> && !std::same_as<F, router>) {
        return net::serve(std::move(from), std::move(handler), std::move(connections), where);  // marked, for GCC 12
    } else {
        return net::serve(std::move(from), handler, std::move(connections), where);
    }
}

/// Serves one connection, which is any reader and writer, for example a TLS stream:
///     const auto handler = [app, config](net::tcp_stream tcp, net::serve_connection c) -> task<result<void>> {
///         auto stream = co_await try_(tls::accept(std::move(tcp), config));
///         co_return co_await http::serve_connection(std::move(stream), app, http::serve_options(), std::move(c));
///     };
/// The options for connections are not used, except shutdown(); idle_timeout() is that of the net::serve() around it.
/// Errors: those of the service. See serve().
/// Cancel safety: safe. The connection is closed, also in the middle of a response.
/// Cost: see serve().
template <class S>
[[nodiscard]] task<result<void>> serve_connection(S stream, service answer, serve_options options = serve_options(),
                                                  std::optional<net::serve_connection> connection = std::nullopt) {
    auto server = std::make_shared<const detail::http_server>(std::move(answer), std::move(options));
    return detail::serve_http(io::boxed_stream(std::move(stream)), std::move(server), std::nullopt,
                              std::move(connection));
}

}  // namespace eddy::http
