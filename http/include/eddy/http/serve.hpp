// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/http/metrics.hpp>
#include <eddy/http/router.hpp>
#include <eddy/http/service.hpp>
#include <eddy/http/status.hpp>
#include <eddy/http/transport.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/unobserved_error.hpp>

namespace eddy::detail {

class server_memory;

/// Returns the counters of memory that several connections share.
[[nodiscard]] EDDY_API std::shared_ptr<server_memory> make_server_memory();

}  // namespace eddy::detail

namespace eddy::http {

/// A request that a server has answered itself; see serve_options::on_refused().
/// Thread safety: a plain value.
struct refused_request {
    /// The response: 400, 408, 413, 414, 417, 431, 501 or 505, before the service saw the request; or 503 instead of,
    /// or after the beginning of the response of the service, see serve_options::response_memory_limit().
    http::status status;
    /// The method and the target as the client has sent them, at most 200 bytes of each, and 100 with 503. A '?' stands
    /// for each byte that is not a visible character of ASCII. Empty as far as they were not received, or are malformed
    /// or unknown.
    std::string method;
    std::string target;
    std::optional<net::socket_addr> peer;  ///< the client's address, if it has an IP address
    std::string_view note;                 ///< a probable reason, as a constant text; empty if there is none

    /// Makes the object from its parts.
    refused_request(http::status why, std::string what, std::string of, std::optional<net::socket_addr> from,
                    std::string_view reason = {})
        : status(why), method(std::move(what)), target(std::move(of)), peer(from), note(reason) {}
};

/// The options of serve(): `serve_options().max_connections(1000).shutdown(token).body_limit(10 << 20)`.
class serve_options {
public:
    /// The default options.
    serve_options() { connections_.idle_timeout(std::chrono::seconds(60)); }

    /// Same as in net::serve_options. max_connections() limits the connections at a time; they are unlimited by
    /// default. The token of shutdown() ends the server. Requests in progress may then take the time of drain(), 30
    /// seconds by default. on_error() receives the errors and exceptions of the service. When the token is cancelled,
    /// the server closes idle connections, see idle_grace(), and the others after the response to their request.
    serve_options& max_connections(std::size_t most) noexcept {
        connections_.max_connections(most);
        return *this;
    }
    serve_options& shutdown(const sync::cancellation_token& token) {
        connections_.shutdown(token);
        return *this;
    }
    template <class E>
    serve_options& shutdown(const std::expected<sync::cancellation_token, E>&) EDDY_DELETED(EDDY_NEEDS_TOKEN);
    serve_options& drain(std::chrono::nanoseconds limit) noexcept {
        connections_.drain(limit);
        return *this;
    }
    /// Sets how long the server keeps idle connections open after the cancellation of the token. A request that arrives
    /// in this time is answered, and the connection is closed after it: with `Connection: close`, or, with HTTP/2, by
    /// GOAWAY. Use it if another process accepts the next connections, see process::hand_over(): a client may have sent
    /// a request that has not arrived, and would get no answer. 0 by default.
    serve_options& idle_grace(std::chrono::nanoseconds limit) noexcept {
        connections_.idle_grace(limit);
        return *this;
    }
    serve_options& on_error(unobserved_error_handler handler) {
        connections_.on_error(std::move(handler));
        return *this;
    }

    /// Sets a function that receives each request that the server answers itself, for an access log. Layers around the
    /// service see all other requests. For 503, they have seen the request, too, with the response that was discarded;
    /// see response_memory_limit().
    ///     options.on_refused([log](const http::refused_request& it) { log->write(it.peer, to_int(it.status)); });
    /// The function is called by the task of the connection, so on several threads. If it throws, the process ends.
    serve_options& on_refused(std::function<void(const refused_request&)> handler) {
        on_refused_ = std::move(handler);
        return *this;
    }

    /// Sets how long a connection may wait for the next request before it is closed. 60 seconds by default.
    serve_options& idle_timeout(std::chrono::nanoseconds limit) noexcept {
        connections_.idle_timeout(limit);
        return *this;
    }
    /// Sets how much time may pass between the first byte of a head and the last. A slower client gets 408. The time
    /// for the first head of a connection begins when the connection is accepted; if not even its first byte arrives,
    /// the connection is closed. This is also the limit for the trailer section of a body. With HTTP/2, the server ends
    /// the connection with GOAWAY in all these cases. 10 seconds by default.
    serve_options& header_timeout(std::chrono::nanoseconds limit) noexcept {
        header_timeout_ = limit;
        return *this;
    }
    /// Sets the maximum time without progress of a body or a response. If the client sends no bytes of a body, reading
    /// the body fails with errc::timed_out. If it accepts no bytes of a response, the connection is closed. 30 seconds
    /// by default. A read of a body that was dropped, for example by select(), still waits until bytes arrive.
    serve_options& io_timeout(std::chrono::nanoseconds limit) noexcept {
        io_timeout_ = limit;
        return *this;
    }
    /// Sets the maximum number of bytes of a head. A request with more gets 431, or 414 if its first line alone is too
    /// long. 16 KiB by default.
    serve_options& header_limit(std::size_t bytes) noexcept {
        header_limit_ = bytes;
        return *this;
    }
    /// Sets the maximum number of header fields. A request with more gets 431. 100 by default.
    serve_options& max_headers(std::size_t most) noexcept {
        max_headers_ = most;
        return *this;
    }
    /// Sets the maximum number of bytes of the body of a request. A request that announces more gets 413. If a body in
    /// chunks has more, reading it fails with http::errc::body_too_large. 2 MiB by default.
    serve_options& body_limit(std::uint64_t bytes) noexcept {
        body_limit_ = bytes;
        return *this;
    }
    /// Sets the maximum number of bytes that responses keep in memory until they are sent, for all connections
    /// together. That is bodies in memory, and what each body that compress() is compressing may take: 264 KiB with
    /// gzip, 768 KiB with zstd, 2 MiB with brotli (256 KiB up to level 3, 1 MiB up to 5). The bytes of a body that the
    /// program shares, such as a copy of `bytes` in a cache, and responses of HTTP/1.1 that are smaller than 64 KiB do
    /// not count. While there is room, each response gets its memory.
    /// Otherwise the server drops others, the oldest ones first, and on_refused() receives their requests:
    /// - those that their clients do not read: they have received nothing, or less than 4 KiB in 2 seconds. The
    ///   requests of the client with the most memory come first
    /// - requests of a client that has more memory than the one that needs it would have
    /// A client is an IPv4 address, or the first 64 bits of an IPv6 address. It sees that its HTTP/2 stream is reset
    /// (ENHANCE_YOUR_CALM), or that its HTTP/1.1 connection ends. Only if there is nothing to drop, the new response is
    /// discarded, its client gets 503, and on_refused() receives the request. 512 MiB by default. All servers and
    /// connections with copies of these options have the limit together. With glibc, the server returns freed memory to
    /// the system 2 seconds after a peak of 64 MiB or more.
    serve_options& response_memory_limit(std::size_t bytes) noexcept {
        response_memory_limit_ = bytes;
        return *this;
    }
    /// Sets the minimum rate of the body of a request, so that a client cannot keep a service busy by a few bytes at a
    /// time: if a reader of the body has waited for the client for io_timeout(), and then for longer than the received
    /// bytes take at this rate, reading fails with errc::timed_out. 240 bytes per second by default. 0 turns the limit
    /// off, for services whose clients send a body slowly on purpose.
    serve_options& min_body_rate(std::uint64_t bytes_per_second) noexcept {
        min_body_rate_ = bytes_per_second;
        return *this;
    }
    /// Sets how long readers of the body of a request may wait for the client, in all. Then reading fails with
    /// errc::timed_out, also if the client sends at more than min_body_rate(). The time of the service between its
    /// reads does not count. Without a limit by default, or with 0: a large body may take any time.
    serve_options& body_timeout(std::chrono::nanoseconds limit) noexcept {
        body_timeout_ = limit;
        return *this;
    }
    /// Sets whether an HTTP/1.1 client may close its sending direction and still receive responses. By default, the
    /// server treats the end of the client's data as the end of the connection, as most servers do: it cancels the
    /// service. With `true`, it does so only if the connection is reset or fails. So the service of a client that has
    /// closed the connection completely runs on until its response cannot be sent.
    serve_options& half_close(bool is_allowed) noexcept {
        half_close_ = is_allowed;
        return *this;
    }
    /// Sets the maximum number of requests of a connection. The server closes the connection after the last one.
    /// Unlimited by default. 0 is treated as 1.
    serve_options& max_requests(std::uint64_t most) noexcept {
        max_requests_ = most == 0 ? 1 : most;
        return *this;
    }

    /// Sets whether HTTP/2 is served, too. On by default. No effect if eddy was built without nghttp2.
    ///
    /// - `:authority` is the field Host. Several Cookie fields are one, joined by "; ", which max_headers() counts
    ///   once.
    /// - A client may send 1 MiB for each request, and 2 MiB on a connection, before the service has read it. The
    ///   server measures round trips, and enlarges these windows if they limit the speed: see window_limit(). A body
    ///   that the service has destroyed uses none of the connection's window.
    /// - If the client resets a stream, its service is cancelled, as if its task was destroyed.
    /// - After a failure of the service, the client gets 500, and the connection is closed when the other requests were
    ///   answered. If the body of a request, or a form, cannot be received, it gets 400, 408 or 413, or the stream is
    ///   reset if the response has begun; the connection continues. After a failure of the reader of a response's body,
    ///   the stream is reset.
    /// - If the response ends before the request, the rest of the request is refused with RST_STREAM (NO_ERROR).
    /// - At a shutdown, after max_requests(), and after a response with `Connection: close`, the client gets GOAWAY.
    ///   Requests that it has already sent are answered.
    /// - Priorities are ignored, and server push is not used.
    ///
    /// What the client gets above a limit:
    /// - max_streams(): RST_STREAM (REFUSED_STREAM)
    /// - header_limit(), max_headers(), body_limit() of a request: 431, 414 or 413
    /// - 4 times header_limit(), or 64 KiB if that is more, for the fields of a request after HPACK decoding:
    ///   RST_STREAM (ENHANCE_YOUR_CALM)
    /// - 2 times header_limit() and 16 KiB more, for the fields of a request as they are sent, in HEADERS and
    ///   CONTINUATION frames: GOAWAY (ENHANCE_YOUR_CALM)
    /// - header_timeout() from the start of the connection to the first request: GOAWAY (NO_ERROR)
    /// - header_timeout() for the fields or the trailer fields of a request, between which no other frame can be sent;
    ///   for the first request, from the start of the connection: GOAWAY (ENHANCE_YOUR_CALM)
    /// - io_timeout() without data of a body, and min_body_rate() of each body: 408, or RST_STREAM (INTERNAL_ERROR) if
    ///   the response has begun
    /// - io_timeout() in which the client does not open its window: RST_STREAM (CANCEL)
    /// - 1,000 control frames at once, and 33 per second, without requests or data in between; the same number of
    ///   resets of streams by either side, without complete responses in between: GOAWAY (ENHANCE_YOUR_CALM)
    /// - 64 KiB for the head of a response: RST_STREAM (INTERNAL_ERROR); the connection is closed as after a failure of
    ///   the service, and std::errc::message_size is reported
    /// - a frame on a stream that the client has ended, or has skipped: GOAWAY (STREAM_CLOSED, PROTOCOL_ERROR)
    /// - SETTINGS that make a window larger than 2^31 - 1 bytes: GOAWAY (FLOW_CONTROL_ERROR)
    ///
    /// Control frames are PING, SETTINGS, PRIORITY, GOAWAY, WINDOW_UPDATE and CONTINUATION, DATA without data, and
    /// HEADERS and small DATA frames of streams that the server has closed. A client earns further ones by requests,
    /// and by data in both directions: one for each 256 bytes of a response, and two more for each part of a response
    /// that its windows do not shorten.
    serve_options& http2(bool is_served) noexcept {
        http2_ = is_served;
        return *this;
    }
    /// Sets the maximum number of requests that an HTTP/2 connection may have at the same time. The server refuses
    /// further requests; clients repeat them later. 100 by default. 0 is treated as 1.
    serve_options& max_streams(std::uint32_t most) noexcept {
        max_streams_ = most == 0 ? 1 : most;
        return *this;
    }

    /// Sets the maximum receive window of an HTTP/2 connection: the number of bytes of bodies that may arrive before
    /// the services have read them. Half of it is the maximum for one request. A connection begins with 2 MiB, and 1
    /// MiB for a request. It enlarges the windows if they limit the speed, because a round trip takes long. 16 MiB by
    /// default. Values below 2 MiB are treated as 2 MiB.
    serve_options& window_limit(std::size_t bytes) noexcept {
        window_limit_ = bytes;
        return *this;
    }
    /// Sets the maximum number of bytes by which the receive windows of all HTTP/2 connections together are enlarged.
    /// A client gets at most half of what is left, see response_memory_limit(). 256 MiB by default. With 0, a
    /// connection keeps its 2 MiB. All servers and connections with copies of these options have the limit together.
    serve_options& window_memory_limit(std::size_t bytes) noexcept {
        window_memory_limit_ = bytes;
        return *this;
    }

    /// Counts connections and requests in `counters`. By default, they are not counted.
    serve_options& metrics(const http::metrics& counters) {
        counters_ = counters.shared_;
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] const net::serve_options& connections() const noexcept { return connections_; }
    [[nodiscard]] std::chrono::nanoseconds header_timeout() const noexcept { return header_timeout_; }
    [[nodiscard]] std::chrono::nanoseconds io_timeout() const noexcept { return io_timeout_; }
    [[nodiscard]] std::size_t header_limit() const noexcept { return header_limit_; }
    [[nodiscard]] std::size_t max_headers() const noexcept { return max_headers_; }
    [[nodiscard]] std::uint64_t body_limit() const noexcept { return body_limit_; }
    [[nodiscard]] const std::function<void(const refused_request&)>& on_refused() const noexcept { return on_refused_; }
    [[nodiscard]] std::uint64_t min_body_rate() const noexcept { return min_body_rate_; }
    [[nodiscard]] std::chrono::nanoseconds body_timeout() const noexcept { return body_timeout_; }
    [[nodiscard]] bool half_close() const noexcept { return half_close_; }
    [[nodiscard]] std::uint64_t max_requests() const noexcept { return max_requests_; }
    [[nodiscard]] std::size_t response_memory_limit() const noexcept { return response_memory_limit_; }
    [[nodiscard]] bool http2() const noexcept { return http2_; }
    [[nodiscard]] std::size_t window_limit() const noexcept { return window_limit_; }
    [[nodiscard]] std::size_t window_memory_limit() const noexcept { return window_memory_limit_; }
    [[nodiscard]] std::uint32_t max_streams() const noexcept { return max_streams_; }

private:
    friend detail::server_access;

    net::serve_options connections_;
    std::chrono::nanoseconds header_timeout_ = std::chrono::seconds(10);
    std::chrono::nanoseconds io_timeout_ = std::chrono::seconds(30);
    std::size_t header_limit_ = 16 * 1024;
    std::size_t max_headers_ = 100;
    std::uint64_t body_limit_ = 2 << 20;
    std::uint64_t min_body_rate_ = 240;
    std::chrono::nanoseconds body_timeout_ = std::chrono::nanoseconds::zero();
    std::uint64_t max_requests_ = std::numeric_limits<std::uint64_t>::max();
    std::uint32_t max_streams_ = 100;
    std::size_t response_memory_limit_ = 512 << 20;
    std::size_t window_limit_ = 16 << 20;
    std::size_t window_memory_limit_ = 256 << 20;
    bool http2_ = true;
    std::shared_ptr<detail::server_memory> memory_ = detail::make_server_memory();
    bool half_close_ = false;
    std::shared_ptr<detail::http_counters> counters_;  // null without metrics()
    std::function<void(const refused_request&)> on_refused_;
};

/// Returns the application protocols that a server supports, for tls::server_builder::alpn(): "h2" and "http/1.1", or
/// only the second one if eddy was built without nghttp2.
[[nodiscard]] EDDY_API std::vector<std::string> alpn_protocols();

}  // namespace eddy::http

namespace eddy::detail {

/// The state that all connections of a server share.
struct http_server {
    http::service answer;
    http::serve_options options;

    http_server(const http::service& callable, http::serve_options&& chosen)
        : answer(callable), options(std::move(chosen)) {}
};

/// The protocol of a connection: the first bytes of the client decide, or TLS has negotiated it.
enum class http_protocol : unsigned char { any, http_1, http_2 };

/// Returns the protocol that TLS has negotiated for a stream.
template <class S>
http_protocol protocol_of(const S& stream) {
    if constexpr (requires { std::string_view(stream.alpn()); }) {
        const std::string_view chosen(stream.alpn());
        if (chosen == "h2") return http_protocol::http_2;
        return chosen.empty() ? http_protocol::any : http_protocol::http_1;
    } else {
        return http_protocol::any;
    }
}
template <class S>
http_protocol protocol_of(const std::reference_wrapper<S>& stream) {
    return protocol_of(stream.get());
}

/// Serves one connection. It is compiled once for all types of connections.
EDDY_API task<result<void>> serve_http(http_transport stream, http_protocol protocol,
                                       std::shared_ptr<const http_server> server, std::optional<net::socket_addr> peer,
                                       std::optional<net::serve_connection> connection);

/// The handler of net::serve().
class http_handler {
public:
    explicit http_handler(std::shared_ptr<const http_server> server) noexcept : server_(std::move(server)) {}

    template <class Stream, class Peer>
    task<result<void>> operator()(Stream stream, Peer peer, net::serve_connection connection) const {
        // Responses are written as a whole, so Nagle's algorithm would only delay them.
        if constexpr (requires { stream.set_nodelay(true); }) static_cast<void>(stream.set_nodelay(true));
        std::optional<net::socket_addr> address;
        if constexpr (std::same_as<Peer, net::socket_addr>) address = peer;
        const auto protocol = protocol_of(stream);
        return serve_http(make_http_transport(std::move(stream)), protocol, server_, address, std::move(connection));
    }

private:
    std::shared_ptr<const http_server> server_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Serves HTTP/1.1, HTTP/1.0 and HTTP/2 on a listener: calls the service for each request, and sends its responses.
/// With HTTP/1.1, a connection has one request at a time. With HTTP/2, the requests of a connection run at the
/// same time, in the task of the connection. HTTP/2 needs a build with nghttp2, and a client that has prior knowledge
/// or chooses it by ALPN (see serve_connection()). Returns a net::serve_report.
///     co_await try_(http::serve(std::move(listener), app, http::serve_options().shutdown(token)));
/// With GCC 12, a lambda with captures needs a name, as `app` here; it is a compile error otherwise.
///
/// - A request is rejected if its head is malformed, ambiguous, too large or too slow, or announces a body above the
///   limit. The client gets a status (400, 408, 413, 414, 417, 431, 501, 505), and the connection is closed. The
///   service does not see the request.
/// - "Expect: 100-continue" is answered when the service reads the body, or before a response with a reader, unless the
///   request's body was destroyed.
/// - HEAD gets the response of the service without its body.
/// - Up to 256 KiB of a body that the service has not read are discarded. If there is more, or if the client still
///   waits for "100 Continue", the connection is closed after the response. With HTTP/2, the stream is reset instead.
/// - A service is cancelled if its client goes away: if the HTTP/2 stream is reset, or if the connection ends. The same
///   applies to the reader of a response body that waits. request::client_gone() prevents that, and
///   serve_options::half_close() permits HTTP/1.1 clients to close only their sending direction. The end of a
///   connection is not noticed while more than 64 KiB of further requests or of an unread body arrive before it.
/// - If the connection is to be closed after a response, an HTTP/2 connection gets GOAWAY, and is closed when its other
///   requests were answered.
///
/// Errors: same as net::serve(). If the service returns an error or throws, the client gets 500, with two exceptions.
/// It gets 400, 408 or 413 if the body of its request could not be received. It gets 413 if the error is
/// http::errc::body_too_large, and 400 if it is http::errc::bad_form. The error is passed to serve_options::on_error(),
/// and the connection is closed. If the reader of a response body fails, its error is passed to on_error(), too, and
/// the connection is closed before the response is complete. Other failures of connections are not reported, because
/// clients can cause them. For the same reason, the error of a request's body, and http::errc::bad_form, are not
/// reported, even if the service returns them, or passes the first one on in the body of its response.
/// Cancel safety: safe; see net::serve(). All connections are closed, even in the middle of a response.
/// Thread safety: see net::serve(). The service is called on several threads.
/// Lifetime: the listener and the service are moved into the future. Moving the future after its first poll terminates
/// the program.
/// Cost: one task for each connection, and the task of the service for each request. An idle connection has no buffers.
template <class L, class F>
[[nodiscard]] auto serve(L from, F&& answer, serve_options options = serve_options(),
                         std::source_location where = std::source_location::current()) {
    auto connections = options.connections();
    detail::http_handler handler(
        std::make_shared<const detail::http_server>(service(std::forward<F>(answer)), std::move(options)));
    using serving = decltype(net::serve(std::move(from), std::move(handler), std::move(connections), where));
    return eddy::detail::made_of<serving, F>(
        net::serve(std::move(from), std::move(handler), std::move(connections), where));
}

/// Serves one connection. `stream` is any reader and writer, for example a TLS stream, or std::ref of one. If TLS has
/// negotiated a protocol (see alpn_protocols()), serves that protocol; otherwise the first bytes of the client decide.
///     const auto handler = [=](net::tcp_stream tcp, net::socket_addr peer,
///                              net::serve_connection connection) -> task<result<void>> {
///         auto stream = co_await try_(tls::accept(std::move(tcp), config));
///         co_return co_await http::serve_connection(std::move(stream), app, options, std::move(connection), peer);
///     };
/// Of the options that are also in net::serve_options, only shutdown() is used. Set the others, for example
/// idle_timeout(), in the options of the net::serve() that accepts the connections. With `connection`, that
/// net::serve() closes the connection when it is idle for too long, or at a shutdown. Without `connection`, this
/// function closes an idle connection when the token of shutdown() is cancelled. `peer` becomes request::peer.
/// Errors: any error of the service; see serve().
/// Cancel safety: safe. The connection is closed, even in the middle of a response.
/// Cost: see serve().
template <class S>
task<result<void>> serve_connection(S stream, const service& answer, serve_options options = serve_options(),
                                    std::optional<net::serve_connection> connection = std::nullopt,
                                    std::optional<net::socket_addr> peer = std::nullopt) {
    auto server = std::make_shared<const detail::http_server>(answer, std::move(options));
    const auto protocol = detail::protocol_of(stream);
    detail::kept_io_t<S> kept(std::move(stream));
    return detail::serve_http(detail::make_http_transport(std::move(kept)), protocol, std::move(server), peer,
                              std::move(connection));
}

}  // namespace eddy::http
