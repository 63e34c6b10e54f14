// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/error_access.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/proxies.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/proto/retry_policy.hpp>
#include <eddy/task/task.hpp>

namespace eddy::tls {
class client_config;
}  // namespace eddy::tls
namespace eddy::detail {
class http_client;
}  // namespace eddy::detail

namespace eddy::http {

class cookie_jar;
class url;

/// The steps of a request, for errors.
enum class phase : unsigned char {
    url,      ///< parsing a URL, also a redirect's
    resolve,  ///< looking up the host name
    connect,  ///< connecting to an address
    tls,      ///< performing the TLS handshake
    send,     ///< sending the request
    receive,  ///< waiting for the head of the response
    proxy,    ///< looking up or connecting to a proxy, or asking it for a connection to the server
    body,     ///< reading the body of the request: its reader has failed, and not the server
    none,     ///< no step of the client: a layer around the client has ended the request, for example proto::timeout()
};

/// The error of a request. It converts to its error code, also in `try_`.
/// Thread safety: a plain value.
class EDDY_API client_error {
public:
    /// Makes an error from its parts.
    client_error(http::phase when, std::string peer, std::error_code why)
        : phase_(when), where_(std::move(peer)), code_(why) {}
    /// Makes the error of a layer around the client, with phase::none. Layers of eddy::proto keep the errors of a
    /// client.
    explicit client_error(std::error_code why) : phase_(http::phase::none), code_(why) {}

    /// Returns the step that failed.
    [[nodiscard]] http::phase phase() const noexcept { return phase_; }
    /// Returns the address or the host name that the step was for; for phase::url, the URL; empty for phase::none. For
    /// a later step than phase::proxy, the server and the proxy: "example.org:443 (proxy 10.0.0.1:3128)".
    [[nodiscard]] const std::string& where() const noexcept { return where_; }
    /// Returns the reason.
    [[nodiscard]] std::error_code code() const noexcept { return code_; }
    /// Converts to the reason, so that the output of a request converts to a result<response>.
    operator std::error_code() const noexcept { return code_; }
    /// Returns all parts as text: "cannot connect to 127.0.0.1:81: Connection refused". Bytes of where() that are not
    /// printable ASCII are percent-encoded: a server may choose them by a redirect.
    [[nodiscard]] std::string message() const;

    friend bool operator==(const client_error& a, const std::error_code& b) noexcept { return a.code_ == b; }
    friend bool operator==(const client_error& a, const std::error_condition& b) noexcept { return a.code_ == b; }

private:
    http::phase phase_;
    std::string where_;
    std::error_code code_;
};

/// The options of a client: `client_options().timeout(5s).max_redirects(0)`.
class EDDY_API client_options {
public:
    /// The default options.
    client_options() = default;

    /// Limits the time of a request from its start to the head of the last response. 30 seconds by default.
    client_options& timeout(std::chrono::nanoseconds limit) noexcept {
        timeout_ = limit;
        return *this;
    }
    /// Limits the time to connect to a server, all of its addresses together, and the time of a proxy's response to
    /// CONNECT. 10 seconds by default.
    client_options& connect_timeout(std::chrono::nanoseconds limit) noexcept {
        connect_timeout_ = limit;
        return *this;
    }
    /// Limits the time in which no byte of a body is sent or received. 30 seconds by default.
    client_options& io_timeout(std::chrono::nanoseconds limit) noexcept {
        io_timeout_ = limit;
        return *this;
    }
    /// Sets how many redirects are followed. With 0, send() returns the redirect itself. 10 by default.
    client_options& max_redirects(unsigned most) noexcept {
        max_redirects_ = most;
        return *this;
    }
    /// Sets a function that decides whether a redirect to a URL is followed. If it returns false, send() returns the
    /// redirect itself. All redirects are followed by default. For example, to stay on the hosts of one domain:
    ///     options.may_follow([](const http::url& to) { return to.host().ends_with(".example.org"); });
    /// The function is called for each redirect, also to the same scheme, host and port, and not for the first URL. It
    /// sees the host of the URL and not its addresses, and a name may resolve to any address. A period at the end of
    /// the name is kept. The function must be callable on several threads at the same time if the client is. Its
    /// exceptions end the request.
    client_options& may_follow(std::function<bool(const url&)> decide) {
        may_follow_ = std::move(decide);
        return *this;
    }
    /// Sets the jar that stores the cookies of responses, and whose cookies are sent with requests, also after a
    /// redirect. It follows the cookies that the request itself has. By default, there is none, and the client ignores
    /// cookies of responses.
    client_options& cookies(std::shared_ptr<cookie_jar> jar) noexcept {
        cookies_ = std::move(jar);
        return *this;
    }
    /// Sets after which delays, and how often, a request is repeated that has failed and that may succeed later:
    ///     options.retries(proto::retry_policy(time::backoff(100ms).max_retries(3)));
    /// - If there was no connection to the server, any request is repeated: after a look-up that fails for now
    ///   (EAI_AGAIN), a connection to the server or a proxy that fails, or one that ends during the TLS handshake. So
    ///   it is if the server has not processed the request, which HTTP/2 tells (REFUSED_STREAM, GOAWAY), after up to 3
    ///   repetitions at once.
    /// - If the request may have arrived, because the connection has ended or was too slow before a response, it is
    ///   repeated unless its method is POST or PATCH.
    /// - A request whose body is a reader is repeated only if no byte of the body was sent.
    /// - After errors that stay, it is not repeated: a name that does not exist, a certificate, a connection that is
    ///   not permitted (EACCES), a refusal by a proxy (also "connection refused" by SOCKS5), the other codes of
    ///   http::errc.
    /// - If the delay does not fit into the rest of timeout(), the request fails at once.
    ///
    /// retry_policy::when() may exclude more errors, and retry_policy::budget() limits the repetitions of all requests
    /// together. timeout() limits all attempts together. A request and its redirects share the delays. Without a
    /// policy, which is the default, the client repeats a request only at once, see client.
    client_options& retries(const proto::retry_policy& policy) {
        retries_ = policy;
        return *this;
    }
    /// Sets the longest time of a field Retry-After for which retries() waits before it repeats a request, whatever its
    /// method, after a response 429 or 503. With a longer one, without the field, or if the rest of timeout() is
    /// shorter, the response is returned. With 0, which is the default, all responses are returned.
    client_options& retry_after(std::chrono::nanoseconds longest) noexcept {
        retry_after_ = longest;
        return *this;
    }
    /// Sets how many idle HTTP/1.1 connections are kept for each scheme, host, port and event loop, and to a proxy that
    /// forwards requests. 8 by default. With 0, each request uses a new connection, also with HTTP/2.
    client_options& max_idle(std::size_t most) noexcept {
        max_idle_ = most;
        return *this;
    }
    /// Sets how long an idle connection is kept. 60 seconds by default. Then a task in the background closes it, and
    /// also when the server has closed it or has sent something. The task keeps no runtime running.
    client_options& idle_timeout(std::chrono::nanoseconds limit) noexcept {
        idle_timeout_ = limit;
        return *this;
    }
    /// Sets the maximum number of bytes of the head of a response, also of a proxy. 64 KiB by default.
    client_options& header_limit(std::size_t bytes) noexcept {
        header_limit_ = bytes;
        return *this;
    }
    /// Sets the maximum number of bytes of a body after its decompression, so that a small response cannot become a
    /// huge one. Reading more fails with http::errc::body_too_large. With 0, the client does not ask for compressed
    /// responses. 256 MiB by default. While a body is read, its decoder has memory of its own, as much as the server
    /// chooses: up to 17 MiB with brotli, 9 MiB with zstd, and 40 KiB with gzip. Windows of more than 16 MiB (brotli)
    /// or 8 MiB (zstd) are refused.
    client_options& decompressed_limit(std::uint64_t bytes) noexcept {
        decompressed_limit_ = bytes;
        return *this;
    }
    /// Sets whether https requests may use HTTP/2. The server chooses the version, by ALPN. Then all requests of an
    /// event loop to a host share one connection, which runs in a task of its own. If the server permits no more
    /// requests at a time, further ones wait. On by default. No effect if eddy was built without nghttp2.
    ///
    /// - The window of a response is 1 MiB, and grows by the bytes that were read. A response that is not read does not
    ///   block others.
    /// - Dropping a request or a response sends RST_STREAM (CANCEL); the connection remains usable.
    /// - After GOAWAY or RST_STREAM (REFUSED_STREAM), the server has not processed the request, so the client repeats
    ///   it, POST as well, up to 3 times, unless bytes of a body that is a reader were sent. After RST_STREAM
    ///   (HTTP_1_1_REQUIRED), it repeats the request with HTTP/1.1.
    /// - Before a request after an idle time, the client reads what the server has sent. After the end of the
    ///   connection, or GOAWAY, it sends the request on another connection, POST as well.
    /// - After an error during a response, the body gives the bytes that were received before, and then the error.
    ///   Other resets are errors of http2_category(), for example "... the HTTP/2 error CANCEL".
    /// - If a request is dropped after it has waited for 1 s, while nothing arrived, the client sends PING, and uses
    ///   another connection until the answer arrives.
    /// - Server push is switched off.
    client_options& http2(bool enabled) noexcept {
        http2_ = enabled;
        return *this;
    }
    /// Sets whether the client knows that all servers have HTTP/2. Then it uses HTTP/2 also without TLS, and never
    /// HTTP/1.1. If the server or this build has no HTTP/2, requests fail; see send(). Off by default. No effect after
    /// http2(false).
    client_options& prior_knowledge(bool known) noexcept {
        prior_knowledge_ = known;
        return *this;
    }
    /// Sends PING on an HTTP/2 connection that has requests, but has received nothing for this time. If nothing is
    /// received within 10 more seconds, the requests fail with errc::timed_out. With 0, which is the default, no PING
    /// is sent.
    client_options& ping_interval(std::chrono::nanoseconds interval) noexcept {
        ping_interval_ = interval;
        return *this;
    }
    /// Sets the proxies. The default is proxies::from_environment(), which the constructor of the client calls. While
    /// it runs, no other thread may change the environment.
    client_options& proxies(http::proxies chosen) {
        proxies_ = std::move(chosen);
        return *this;
    }
    /// Sets the TLS settings for https, except ALPN, which the client chooses. The default is
    /// tls::client_config::make(). This function is defined only if eddy::http was built with eddy::tls.
    client_options& tls(const tls::client_config& config);

    /// Returns the value of the option.
    [[nodiscard]] std::chrono::nanoseconds timeout() const noexcept { return timeout_; }
    [[nodiscard]] std::chrono::nanoseconds connect_timeout() const noexcept { return connect_timeout_; }
    [[nodiscard]] std::chrono::nanoseconds io_timeout() const noexcept { return io_timeout_; }
    [[nodiscard]] unsigned max_redirects() const noexcept { return max_redirects_; }
    [[nodiscard]] const std::function<bool(const url&)>& may_follow() const noexcept { return may_follow_; }
    [[nodiscard]] const std::shared_ptr<cookie_jar>& cookies() const noexcept { return cookies_; }
    [[nodiscard]] const std::optional<proto::retry_policy>& retries() const noexcept { return retries_; }
    [[nodiscard]] std::chrono::nanoseconds retry_after() const noexcept { return retry_after_; }
    [[nodiscard]] std::size_t max_idle() const noexcept { return max_idle_; }
    [[nodiscard]] std::chrono::nanoseconds idle_timeout() const noexcept { return idle_timeout_; }
    [[nodiscard]] std::size_t header_limit() const noexcept { return header_limit_; }
    [[nodiscard]] std::uint64_t decompressed_limit() const noexcept { return decompressed_limit_; }
    [[nodiscard]] bool http2() const noexcept { return http2_; }
    [[nodiscard]] bool prior_knowledge() const noexcept { return prior_knowledge_; }
    [[nodiscard]] std::chrono::nanoseconds ping_interval() const noexcept { return ping_interval_; }
    [[nodiscard]] const std::optional<http::proxies>& proxies() const noexcept { return proxies_; }
    [[nodiscard]] const std::shared_ptr<const tls::client_config>& tls() const noexcept { return tls_; }

private:
    std::chrono::nanoseconds timeout_ = std::chrono::seconds(30);
    std::chrono::nanoseconds connect_timeout_ = std::chrono::seconds(10);
    std::chrono::nanoseconds io_timeout_ = std::chrono::seconds(30);
    std::chrono::nanoseconds idle_timeout_ = std::chrono::seconds(60);
    std::chrono::nanoseconds ping_interval_ = std::chrono::nanoseconds::zero();
    unsigned max_redirects_ = 10;
    std::function<bool(const url&)> may_follow_;  // empty: all redirects are followed
    std::shared_ptr<cookie_jar> cookies_;
    std::optional<proto::retry_policy> retries_;
    std::chrono::nanoseconds retry_after_ = std::chrono::nanoseconds::zero();
    bool http2_ = true;
    bool prior_knowledge_ = false;
    std::size_t max_idle_ = 8;
    std::size_t header_limit_ = 64 * 1024;
    std::uint64_t decompressed_limit_ = 256 << 20;
    std::optional<http::proxies> proxies_;  // nullopt: from the environment
    std::shared_ptr<const tls::client_config> tls_;
};

/// A client for HTTP/1.1 and HTTP/2. Keeps connections open for later requests, and follows redirects.
///     http::client web;
///     auto page = co_await try_(web.get("http://example.org/"));
///     const auto text = co_await try_(page.body.read_text());
///
/// The body of a response is received while it is read. When it was read to its end, its connection is used for later
/// requests. Destroying the body earlier closes an HTTP/1.1 connection, and resets the stream of an HTTP/2 connection.
/// The request is sent while the response is received, so a server may answer before it has received the whole body.
/// A program with EDDY_CHECKS prints a line after ten bodies in succession of which nothing was read.
///
/// A redirect is a response with the status 301, 302, 303, 307 or 308 and a Location. The client repeats the request
/// with its method and its body; if the body is a reader, the client returns the redirect. But after 303 the method
/// becomes GET, or stays HEAD, and after 301 and 302 POST becomes GET. A request whose method changes loses its body
/// and the fields that describe it (Content-Type and so on). If the new URL has another scheme, host or port, the
/// client removes Authorization and the Cookie of the request; a cookie_jar selects its cookies for each URL. A request
/// with one of these fields does not follow a redirect from https to http: the client returns the redirect. The client
/// does not wait for the body of a redirect. If it has not arrived, an HTTP/1.1 connection is closed.
///
/// Before a kept HTTP/1.1 connection is used again, the client looks at its socket. If the server has closed the
/// connection, or has sent something, such as the response 408 or one that no request has asked for, the client closes
/// the connection and uses another one. If a kept connection is closed before a response begins, the client repeats the
/// request on a new connection. It does so only for methods other than POST and PATCH, and only if the body is in
/// memory. With HTTP/2, it also repeats any request that the server has not processed. Other failures, and refusals
/// with Retry-After, are repeated only by client_options::retries().
///
/// The client asks for responses that are compressed with zstd, brotli or gzip, if eddy was built with their libraries,
/// and decompresses their bodies while they are read. Such a response has neither Content-Encoding nor Content-Length,
/// and its body has no known size. A request that has the field Accept-Encoding or Range gets the body as the server
/// sends it.
///
/// By default, the client uses the proxies of the environment: see client_options::proxies(). A request to an http URL
/// is sent to the proxy, with the whole URL, and with the connections of all servers shared. For an https URL, and for
/// HTTP/2, the client asks the proxy for a connection to the server (CONNECT); a SOCKS5 proxy makes all connections.
/// The field Proxy-Authorization is sent to a proxy only, and never to a server. Each redirect chooses the proxy for
/// its URL. If the connection to the proxy, or the proxy's connection to the server, cannot be established, the phase
/// of the error is phase::proxy. For a refusal of CONNECT, the code is errc::proxy_refused, and the message has the
/// status: "no connection through the proxy 10.0.0.1:3128 (status 407): ...", or the reason of SOCKS5: "(connection
/// refused)". Refusals of requests that a proxy forwards are responses. Passwords are not part of errors.
///
/// Idle connections are closed in order, with close_notify: at client_options::idle_timeout(), when the server closes
/// them, when the last copy of the client is destroyed, and when their event loop ends.
///
/// The client adds Host and `User-Agent: eddy`, unless the request has these fields. It ignores Content-Length,
/// Transfer-Encoding and Connection in the headers of a request, except "Connection: close".
/// Thread safety: any thread, and any event loop. Copies share the connections. Each event loop (`core`) has
/// connections of its own; runtimes share theirs.
/// Lifetime: a request and the body of a response may outlive the client.
/// Cost: copying increments a reference count. Moving is copying.
class EDDY_API client {
public:
    /// Makes a client without connections. Reads the environment unless the options have proxies.
    explicit client(client_options options = client_options());
    client(const client&) = default;
    client& operator=(const client&) = default;
    ~client() = default;

    /// Sends a request to a URL, which replaces `asked.target`, and returns the response. A status such as 404 is a
    /// response, not an error.
    /// Errors: http::errc::bad_url, too_many_redirects, no_tls; errc::timed_out; the errors of net::lookup_host(),
    /// net::tcp_stream::connect(), tls::connect() and the connection. For an invalid response, http::errc::bad_message
    /// or header_too_large. For a proxy, http::errc::bad_proxy, proxy_not_supported and proxy_refused. If the body of
    /// the request fails, the error of its reader, or http::errc::body_too_short.
    /// With HTTP/2, http::errc::no_http2 and the errors of http2_category().
    /// Cancel safety: safe. An HTTP/1.1 connection is closed, and an HTTP/2 stream is reset. The server may have
    /// received the request.
    task<std::expected<response, client_error>> send(
        std::string url, request asked, std::source_location where = std::source_location::current()) const;
    /// Requests a URL with GET. See send().
    /// Cancel safety: same as send().
    task<std::expected<response, client_error>> get(std::string url,
                                                    std::source_location where = std::source_location::current()) const;
    /// Sends a body to a URL with POST, PUT or PATCH, for example with the type "application/json". See send().
    /// Cancel safety: same as send().
    task<std::expected<response, client_error>> post(
        std::string url, std::string type, http::body content,
        std::source_location where = std::source_location::current()) const;
    task<std::expected<response, client_error>> put(std::string url, std::string type, http::body content,
                                                    std::source_location where = std::source_location::current()) const;
    task<std::expected<response, client_error>> patch(
        std::string url, std::string type, http::body content,
        std::source_location where = std::source_location::current()) const;
    /// Sends DELETE to a URL, which asks the server to remove the resource. See send().
    /// Cancel safety: same as send().
    task<std::expected<response, client_error>> del(std::string url,
                                                    std::source_location where = std::source_location::current()) const;

private:
    std::shared_ptr<detail::http_client> shared_;
};

/// Requests a URL with GET, on a new connection. For several requests, use a client.
///     auto page = co_await try_(http::get("http://example.org/"));
/// Errors: see client::send().
/// Cancel safety: safe. The connection is closed.
EDDY_API task<std::expected<response, client_error>> get(std::string url, client_options options = client_options());

/// Prints the text of an error.
using eddy::detail::printing::operator<<;

}  // namespace eddy::http

namespace eddy::detail {

template <>
struct explains_access<eddy::http::client_error> : std::true_type {};

}  // namespace eddy::detail
