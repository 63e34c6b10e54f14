// SPDX-License-Identifier: MIT
#include "client/connect.hpp"

#include <optional>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/try.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/h1.hpp>
#include <eddy/net/lookup_host.hpp>
#include <eddy/time/try_timeout.hpp>

#include "h2/http2.hpp"
#include "net/connect_to_any.hpp"

namespace eddy::detail {
namespace {

using way = client_destination::way;

// ---- Proxies ----

/// Sends a request CONNECT, and returns the status of the response.
task<result<int>> ask(message_stream& stream, const proxy_server& proxy, std::string server, std::size_t header_limit) {
    auto limits = http::h1::client_engine::usual_limits();
    limits.head_bytes = header_limit;
    http::h1::client_engine engine(limits);
    http::headers fields;
    fields.add("User-Agent", "eddy");
    if (const auto known = proxy.authorization(); !known.empty()) fields.add("Proxy-Authorization", known);
    engine.write_connect(stream.out(), server, fields);
    auto sending = poll_fn([&](context& cx) { return stream.poll_flush(cx); });
    co_await try_(std::move(sending));
    for (bool has_received = false;; has_received = true) {
        auto receiving = poll_fn([&](context& cx) { return stream.poll_fill(cx); });
        const auto count = co_await try_(std::move(receiving));
        if (count == 0) {
            co_return std::unexpected(has_received ? make_error_code(http::errc::bad_message)
                                                   : make_error_code(errc::unexpected_eof));
        }
        auto input = stream.in();
        const auto found = engine.receive(input);
        stream.consume_until(input);
        if (found == http::h1::engine::event::failed) co_return std::unexpected(engine.failure());
        if (found == http::h1::engine::event::head) co_return to_int(engine.take_response().status);
    }
}

/// Connects to a proxy, with TLS if its URL requires that.
/// Cancel safety: safe. The connection is closed.
task<result<opened_connection>> connect_to_proxy(const proxy_server& proxy, const http::client_options& options,
                                                 client_progress& at) {
    at.phase = http::phase::proxy;
    auto tcp = co_await try_(connect_tcp(proxy.host, proxy.port, http::phase::proxy, options, at));
    const int socket = tcp.native_handle();
    if (proxy.scheme != proxy_server::protocol::https)
        co_return opened_connection(io::boxed_stream(std::move(tcp)), false, socket);
    auto secure = co_await try_(connect_tls(std::move(tcp), options, proxy.host, client_protocols::http1));
    secure.socket = socket;
    co_return std::move(secure);
}

/// Asks a proxy for a connection to a server by CONNECT (RFC 9110, section 9.3.6), and returns that connection. Bytes
/// that arrive after the proxy's response are bytes of the server: the connection begins with them.
/// Errors: http::errc::proxy_refused; adds the status to `at.where`. http::errc::bad_message, header_too_large;
/// errc::unexpected_eof, timed_out; the errors of the connection.
/// Cancel safety: safe. The connection is closed.
task<result<io::boxed_stream>> open_tunnel(io::boxed_stream to_proxy, const proxy_server& proxy, const http::url& to,
                                           const http::client_options& options, client_progress& at) {
    message_stream stream(std::move(to_proxy), options.io_timeout());
    auto asking = ask(stream, proxy, host_with_port(to.host(), to.port()), options.header_limit());
    const auto status = co_await try_(time::try_timeout(options.connect_timeout(), std::move(asking)));
    if (status / 100 != 2) {
        at.where += " (status " + std::to_string(status) + ")";
        co_return std::unexpected(make_error_code(http::errc::proxy_refused));
    }
    co_return stream.release();
}

// ---- Connections ----

/// Opens a connection for requests to an http URL, or for TLS to an https URL.
template <class S>
task<result<opened_connection>> finish(S below, int socket, const http::client_options& options, const http::url& to,
                                       client_protocols allowed, client_progress& at) {
    if (!to.is_https())
        co_return opened_connection(io::boxed_stream(std::move(below)), allowed == client_protocols::http2, socket);
    at.phase = http::phase::tls;
    auto secure = co_await try_(
        connect_tls(std::move(below), options, to.host(), has_http2() ? allowed : client_protocols::http1));
    if (allowed == client_protocols::http2 && !secure.is_http2)
        co_return std::unexpected(make_error_code(http::errc::no_http2));
    secure.socket = socket;
    co_return std::move(secure);
}

task<result<opened_connection>> open_directly(const http::client_options& options, const http::url& to,
                                              client_protocols allowed, client_progress& at) {
    auto tcp = co_await try_(connect_tcp(to.host(), to.port(), http::phase::connect, options, at));
    const int socket = tcp.native_handle();
    co_return co_await finish(std::move(tcp), socket, options, to, allowed, at);
}

task<result<opened_connection>> open_through_proxy(const http::client_options& options, client_destination to,
                                                   client_protocols allowed, client_progress& at) {
    auto below = co_await try_(connect_to_proxy(to.proxy(), options, at));
    if (to.is_forwarded()) co_return std::move(below);
    const bool is_socks = to.proxy().scheme == proxy_server::protocol::socks5;
    auto opening = is_socks ? open_socks_tunnel(std::move(below.stream), to.proxy(), to.url(), options, at)
                            : open_tunnel(std::move(below.stream), to.proxy(), to.url(), options, at);
    auto tunnel = co_await try_(std::move(opening));
    at.where = to.describe(at.where);
    co_return co_await finish(std::move(tunnel), below.socket, options, to.url(), allowed, at);
}

}  // namespace

std::string client_destination::describe(const std::string& address) const {
    if (way_ == way::direct) return address;
    return host_with_port(url_->host(), url_->port()) + " (proxy " + address + ")";
}

void client_destination::prepare(http::request& asked) const {
    if (!is_forwarded()) {
        asked.headers.remove("Proxy-Authorization");
        return;
    }
    asked.target = url_->to_string();
    if (const auto known = proxy_->authorization(); !known.empty()) asked.headers.set("Proxy-Authorization", known);
}

result<client_destination> find_destination(const http_client& client, const http::url& to, bool may_forward,
                                            client_progress& at) {
    const auto* const found = client.proxies().select(to);
    if (found == nullptr) return client_destination(to, nullptr, way::direct);
    if (!found->server) {
        at.phase = http::phase::proxy;
        at.where = found->shown;
        return std::unexpected(found->server.error());
    }
    const bool forwards = found->server->scheme != proxy_server::protocol::socks5;
    const bool is_forwarded = may_forward && forwards && !to.is_https();
    return client_destination(to, &*found->server, is_forwarded ? way::forwarded : way::tunneled);
}

task<result<net::tcp_stream>> connect_tcp(const std::string& host, std::uint16_t port, http::phase connecting,
                                          const http::client_options& options, client_progress& at) {
    at.phase = connecting == http::phase::proxy ? connecting : http::phase::resolve;
    at.where = host;
    auto addresses = co_await try_(net::lookup_host(host, port));
    at.phase = connecting;
    const auto connect = [](const net::socket_addr& address) { return net::tcp_stream::connect(address); };
    const auto note = [&at](const net::socket_addr& address) { at.where = address.to_string(); };
    auto racing = connect_to_any<net::tcp_stream>(in_turns(std::move(addresses)), connect_stagger, connect, note);
    auto tcp = co_await try_(time::try_timeout(options.connect_timeout(), std::move(racing)));
    static_cast<void>(tcp.set_nodelay(true));
    co_return std::move(tcp);
}

task<result<client_route>> connect_client(const http_client& client, client_destination to, client_protocols allowed,
                                          client_progress& at) {
    const auto& options = client.options();
    if (allowed == client_protocols::http2 && !has_http2())
        co_return std::unexpected(make_error_code(http::errc::no_http2));
    const bool is_direct = to.how() == way::direct;
    auto opening =
        is_direct ? open_directly(options, to.url(), allowed, at) : open_through_proxy(options, to, allowed, at);
    auto opened = co_await try_(std::move(opening));
    client_route made;
    if (opened.is_http2) {
        made.shared = start_http2(std::move(opened.stream), opened.socket, options, at.where);
    } else {
        made.connection = std::make_unique<client_connection>(std::move(opened.stream), opened.socket,
                                                              options.io_timeout(), at.where);
    }
    co_return made;
}

}  // namespace eddy::detail
