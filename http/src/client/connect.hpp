// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/http/request.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

#include "client/pool.hpp"

namespace eddy::detail {

/// The current step of a request, for errors.
struct client_progress {
    http::phase phase = http::phase::url;
    std::string where;
    std::source_location asked_at;  // of the call in the program

    [[nodiscard]] http::client_error failed(std::error_code why) const { return {phase, where, why}; }
};

/// The versions of HTTP that a request may use.
enum class client_protocols : unsigned char { http1, any, http2 };

/// A connection for a request: of HTTP/1.1, which the request owns, or of HTTP/2, which it shares.
struct client_route {
    std::unique_ptr<client_connection> connection;
    std::shared_ptr<http2_handle> shared;
    bool is_kept = false;  // `connection` had been used before

    client_route() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// The server of a request, and the way to it.
/// Lifetime: the URL and the proxy must outlive the object.
class client_destination {
public:
    /// How requests reach the server.
    enum class way : unsigned char {
        direct,
        forwarded,  // the proxy receives requests with whole URLs, and forwards them
        tunneled,   // the proxy connects to the server: CONNECT, or SOCKS5
    };

    client_destination(const http::url& to, const proxy_server* through, way how) noexcept
        : url_(&to), proxy_(through), way_(how) {}

    [[nodiscard]] const http::url& url() const noexcept { return *url_; }
    /// Returns the proxy.
    /// Preconditions: how() is not `direct`.
    [[nodiscard]] const proxy_server& proxy() const noexcept { return *proxy_; }
    [[nodiscard]] way how() const noexcept { return way_; }
    [[nodiscard]] bool is_forwarded() const noexcept { return way_ == way::forwarded; }

    /// Returns the text for errors of a connection whose peer has this address.
    [[nodiscard]] std::string describe(const std::string& address) const;
    /// Changes a request for this way: its target, and Proxy-Authorization, which only a proxy that forwards the
    /// request may receive.
    void prepare(http::request& asked) const;

private:
    const http::url* url_;
    const proxy_server* proxy_;
    way way_;
};

/// Chooses the way to the server of a URL. With `may_forward`, a proxy forwards requests to http URLs.
/// Errors: any error of the proxy's URL.
[[nodiscard]] result<client_destination> find_destination(const http_client& client, const http::url& to,
                                                          bool may_forward, client_progress& at);

/// Connects to the server of a URL, or to the proxy that forwards requests to it.
[[nodiscard]] task<result<client_route>> connect_client(const http_client& client, client_destination to,
                                                        client_protocols allowed, client_progress& at);

/// Looks up a host and connects to it: see connect_to_any() of the runtime. Stores the phase in `at`: phase::resolve,
/// and then `connecting`; with phase::proxy, only that.
[[nodiscard]] task<result<net::tcp_stream>> connect_tcp(const std::string& host, std::uint16_t port,
                                                        http::phase connecting, const http::client_options& options,
                                                        client_progress& at);

/// A connection to a server or a proxy, and whether it uses HTTP/2.
struct opened_connection {
    io::boxed_stream stream;
    bool is_http2;
    int socket;  // the descriptor of the TCP connection below all layers, or -1

    opened_connection(io::boxed_stream&& below, bool has_http2, int descriptor = -1)
        : stream(std::move(below)), is_http2(has_http2), socket(descriptor) {}
};

/// Performs the TLS handshake, and offers the protocols: tls_on.cpp, or tls_off.cpp without eddy::tls.
[[nodiscard]] task<result<opened_connection>> connect_tls(net::tcp_stream below, const http::client_options& options,
                                                          std::string host, client_protocols offered);
[[nodiscard]] task<result<opened_connection>> connect_tls(io::boxed_stream below, const http::client_options& options,
                                                          std::string host, client_protocols offered);

/// Asks a proxy for a connection to a server by SOCKS5 (RFC 1928), and returns that connection. The proxy looks up the
/// name of the server. Authenticates itself by user name and password (RFC 1929) if the proxy has them and asks for
/// them.
/// Errors: http::errc::proxy_refused; adds the reason to `at.where`. http::errc::bad_message; errc::unexpected_eof,
/// timed_out; the errors of the connection.
/// Cancel safety: safe. The connection is closed.
[[nodiscard]] task<result<io::boxed_stream>> open_socks_tunnel(io::boxed_stream to_proxy, const proxy_server& proxy,
                                                               const http::url& to, const http::client_options& options,
                                                               client_progress& at);

}  // namespace eddy::detail
