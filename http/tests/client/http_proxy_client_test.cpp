// SPDX-License-Identifier: MIT
// The client of eddy::http with proxies: those that forward requests, those that make tunnels, and malicious ones.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/environment.hpp"
#include "support/http/http_answers.hpp"
#include "support/http/http_proxy.hpp"
#include "support/http/http_server.hpp"
#include "support/net.hpp"
#include "support/yields.hpp"
#ifdef EDDY_TEST_HTTPS
#include <eddy/tls.hpp>

#include "support/tls_pair.hpp"
#endif

namespace {

using support::text_of;

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

/// Options with a proxy for all URLs. They do not depend on the environment.
http::client_options with_proxy(const std::string& url) {
    return http::client_options().proxies(http::proxies::none().for_all(url)).timeout(20s);
}

/// Runs `script(address)` with a proxy.
template <class Script>
void play(support::http_proxy& proxy, Script script) {
    eddy::core loop;
    loop.run(proxy.during(script));
}

/// Runs `script(address, server)` with a proxy and a server, whose address is `server`.
template <class Script>
net::serve_report play(support::http_proxy& proxy, http::service app, Script script) {
    eddy::core loop;
    const auto with_server = [&](net::socket_addr server, const auto&) -> task<void> {
        const auto run = [&](std::string address) { return script(std::move(address), server.to_string()); };
        co_await proxy.during(run);
    };
    return loop.run(support::serve_http_during(std::move(app), http::serve_options(), with_server));
}

http::router site() {
    http::router app;
    app.any("/fields", [](http::request asked) -> task<http::response> {
        std::string text = asked.version == http::version::http_2 ? "HTTP/2" : "HTTP/1.1";
        for (const auto& [name, value] : asked.headers) text.append(" ").append(name).append("=").append(value);
        co_return http::response::text(text);
    });
    return app;
}

std::string reason_of(http::errc code) { return http::make_error_code(code).message(); }

// ---- Proxies that forward requests ----

TEST(HttpProxyClient, ForwardedRequestsShareConnection) {
    support::http_proxy proxy;
    play(proxy, [](std::string address) -> task<void> {
        const http::client web(with_proxy("http://" + address).decompressed_limit(0));
        EXPECT_EQ(co_await text_of(web.get("http://one.test/a?b")), "proxied");
        EXPECT_EQ(co_await text_of(web.get("http://two.test:8080")), "proxied");
        EXPECT_EQ(co_await text_of(web.post("http://[2001:db8::1]/", "a/b", "x")), "proxied");
    });
    EXPECT_EQ(proxy.connections, 1U);
    ASSERT_GE(proxy.heads.size(), 3U);
    EXPECT_EQ(proxy.heads[0], "GET http://one.test/a?b HTTP/1.1\r\nHost: one.test\r\nUser-Agent: eddy\r\n\r\n");
    EXPECT_EQ(proxy.heads[1], "GET http://two.test:8080/ HTTP/1.1\r\nHost: two.test:8080\r\nUser-Agent: eddy\r\n\r\n");
    EXPECT_TRUE(proxy.heads[2].starts_with("POST http://[2001:db8::1]/ HTTP/1.1\r\nHost: [2001:db8::1]\r\n"));
}

TEST(HttpProxyClient, ForwardingProxyGetsCredentials) {
    support::http_proxy proxy;
    play(proxy, [](std::string address) -> task<void> {
        const http::client web(with_proxy("http://a:b@" + address));
        http::request asked(http::method::get);
        asked.headers.add("Authorization", "for the server");
        asked.headers.add("Proxy-Authorization", "replaced");
        EXPECT_EQ(co_await text_of(web.send("http://one.test/", std::move(asked))), "proxied");
    });
    ASSERT_EQ(proxy.heads.size(), 1U);
    EXPECT_TRUE(proxy.heads[0].contains("\r\nProxy-Authorization: Basic YTpi\r\n"));
    EXPECT_TRUE(proxy.heads[0].contains("\r\nAuthorization: for the server\r\n"));
    EXPECT_FALSE(proxy.heads[0].contains("replaced"));
}

TEST(HttpProxyClient, RequestIsRepeatedIfProxyHasClosedConnection) {
    support::http_proxy proxy;
    proxy.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n!";  // the extra byte ends the connection
    play(proxy, [](std::string address) -> task<void> {
        const http::client web(with_proxy(address));
        for (int i = 0; i < 3; ++i) EXPECT_EQ(co_await text_of(web.get("http://one.test/")), "");
    });
    EXPECT_EQ(proxy.connections, 3U);
}

TEST(HttpProxyClient, RefusalOfForwardedRequestIsAResponse) {
    support::http_proxy proxy;
    proxy.answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    play(proxy, [](std::string address) -> task<void> {
        const http::client web(with_proxy(address));
        const auto answer = co_await web.get("http://one.test/");
        EXPECT_EQ(http::to_int(answer.value().status), 407);
    });
}

TEST(HttpProxyClient, ErrorsNameServerAndProxy) {
    support::http_proxy proxy;
    proxy.answer = "garbage";
    std::string at;
    play(proxy, [&](std::string address) -> task<void> {
        at = address;
        const http::client web(with_proxy(address));
        const auto answer = co_await web.get("http://one.test/");
        EXPECT_EQ(answer.error().phase(), http::phase::receive);
        EXPECT_EQ(answer.error().where(), "one.test:80 (proxy " + address + ")");
    });
    eddy::core loop;
    const auto closed = support::closed_addr().to_string();
    const auto refused = loop.run(http::get("http://one.test/", with_proxy("http://a:secret@" + closed)));
    EXPECT_EQ(refused.error().phase(), http::phase::proxy);
    EXPECT_EQ(refused.error().code(), std::errc::connection_refused);
    EXPECT_EQ(refused.error().message(), "no connection through the proxy " + closed + ": Connection refused");
    const std::string label(64, 'a');  // too long: no name server is asked
    const auto unknown = loop.run(http::get("http://one.test/", with_proxy("http://" + label)));
    EXPECT_EQ(unknown.error().phase(), http::phase::proxy);
    EXPECT_EQ(unknown.error().where(), label);
}

TEST(HttpProxyClient, WrongProxyIsErrorOfRequestsThatNeedIt) {
    const auto refused = [](const char* proxy, const char* url) {
        eddy::core loop;
        return loop.run(http::get(url, with_proxy(proxy))).error();
    };
    const auto bad = refused("http://user:secret@:80", "http://one.test/");
    EXPECT_EQ(bad.phase(), http::phase::proxy);
    EXPECT_EQ(bad.code(), http::errc::bad_proxy);
    EXPECT_EQ(bad.code(), std::errc::invalid_argument);
    EXPECT_EQ(bad.message(), "no connection through the proxy http://:80: " + reason_of(http::errc::bad_proxy));
    const auto socks = refused("socks4://user:secret@one.test:1080", "https://one.test/");
    EXPECT_EQ(socks.code(), http::errc::proxy_not_supported);
    EXPECT_EQ(socks.code(), std::errc::not_supported);
    EXPECT_EQ(socks.where(), "socks4://one.test:1080");
    support::http_proxy proxy;
    play(proxy, [](std::string address) -> task<void> {
        const auto chosen = http::proxies::none().for_http(address).for_https("socks4://x");
        const http::client web(http::client_options().proxies(chosen));
        EXPECT_EQ(co_await text_of(web.get("http://one.test/")), "proxied");
    });
}

TEST(HttpProxyClient, RedirectChoosesProxyAnew) {
    support::http_proxy proxy;
    play(proxy, site(), [&](std::string address, std::string server) -> task<void> {
        proxy.answer = "HTTP/1.1 302 Found\r\nLocation: http://" + server + "/fields\r\nContent-Length: 0\r\n\r\n";
        const auto chosen = http::proxies::none().for_http("a:b@" + address).except("127.0.0.1");
        const http::client web(http::client_options().proxies(chosen).decompressed_limit(0).timeout(20s));
        EXPECT_EQ(co_await text_of(web.get("http://one.test/")), "HTTP/1.1 Host=" + server + " User-Agent=eddy");
    });
    EXPECT_EQ(proxy.heads.size(), 1U);
}

// ---- Tunnels ----

/// Answers "!" to each byte.
task<result<void>> exclaim(http::upgraded_connection connection) {
    std::array<char, 1> one{};
    for (;;) {
        const auto count = co_await try_(io::read(connection.stream, one));
        if (count == 0) co_return eddy::ok();
        co_await try_(io::write_all(connection.stream, std::string("!")));
    }
}

http::request upgrading() {
    http::request asked(http::method::get);
    asked.headers.add("Upgrade", "exclaim");
    return asked;
}

http::router exclaiming() {
    http::router app;
    app.get("/", [](http::request) -> task<http::response> { co_return http::switch_protocols("exclaim", exclaim); });
    return app;
}

TEST(HttpProxyClient, UpgradeUsesTunnel) {
    support::http_proxy proxy;
    play(proxy, exclaiming(), [&](std::string address, std::string server) -> task<void> {
        auto outcome = co_await http::upgrade("http://" + server + "/", upgrading(), with_proxy(address));
        auto& stream = outcome.value().stream.value();
        EXPECT_TRUE((co_await io::write_all(stream, std::string("?"))).has_value());
        std::array<char, 1> one{};
        EXPECT_EQ(co_await io::read(stream, one), 1U);
        EXPECT_EQ(one[0], '!');
    });
    ASSERT_EQ(proxy.heads.size(), 1U);
    EXPECT_TRUE(proxy.heads[0].starts_with("CONNECT 127.0.0.1:"));
}

TEST(HttpProxyClient, BytesAfterHeadBelongToTunnel) {
    support::http_proxy proxy;
    proxy.connects = false;
    proxy.established += "HTTP/1.1 101 Switching Protocols\r\nUpgrade: exclaim\r\nConnection: Upgrade\r\n\r\n!";
    play(proxy, [](std::string address) -> task<void> {
        auto outcome = co_await http::upgrade("http://one.test/", upgrading(), with_proxy(address));
        std::array<char, 2> some{};
        EXPECT_EQ(co_await io::read(outcome.value().stream.value(), some), 1U);
        EXPECT_EQ(some[0], '!');
    });
}

/// Sends a request through a proxy that answers CONNECT with `said`, and then keeps the connection open. Returns the
/// error.
http::client_error refusal(std::string said, http::client_options options = http::client_options()) {
    support::http_proxy proxy;
    proxy.connects = false;
    proxy.established = std::move(said);
    std::optional<http::client_error> error;
    play(proxy, [&](std::string address) -> task<void> {
        const http::client web(options.proxies(http::proxies::none().for_all(address)));
        const auto answer = co_await web.get("https://one.test/");
        error = answer.error();
        std::string where = error->where();  // the address differs each time
        if (where.starts_with(address)) where.replace(0, address.size(), "proxy");
        error.emplace(error->phase(), where, error->code());
    });
    return *std::move(error);
}

TEST(HttpProxyClient, RefusalHasPhaseAddressAndStatus) {
    for (const std::string status : {"300", "400", "403", "407", "500", "502", "999"}) {
        const auto error = refusal("HTTP/1.1 " + status + " Why\r\nContent-Length: 100\r\n\r\nbecause");
        EXPECT_EQ(error.phase(), http::phase::proxy);
        EXPECT_EQ(error.code(), http::errc::proxy_refused);
        EXPECT_EQ(error.code(), std::errc::connection_refused);
        EXPECT_EQ(error.message(), "no connection through the proxy proxy (status " + status +
                                       "): " + reason_of(http::errc::proxy_refused));
    }
}

TEST(HttpProxyClient, FoldedFieldsOfProxyAreUnfolded) {
    for (const char* const fold : {"\r\n ", "\r\n\t", "\r\n  \r\n "}) {
        const auto error = refusal(std::string("HTTP/1.1 407 Why\r\nProxy-Authenticate: Basic") + fold +
                                   "realm=x\r\nContent-Length: 0\r\n\r\n");
        EXPECT_EQ(error.code(), http::errc::proxy_refused) << error.message();
        EXPECT_TRUE(error.where().ends_with(" (status 407)")) << error.where();
    }
}

TEST(HttpProxyClient, WrongExclusionIsErrorOfRequestsThatNeedProxy) {
    eddy::core loop;
    const auto closed = support::closed_addr().to_string();
    const auto chosen = http::proxies::none().for_http(closed).except("10.0.0.0/33, localhost, u:p@x");
    const http::client web(http::client_options().proxies(chosen));
    const auto needs = loop.run(web.get("http://one.test/"));
    EXPECT_EQ(needs.error().phase(), http::phase::proxy);
    EXPECT_EQ(needs.error().code(), http::errc::bad_exclusion);
    EXPECT_TRUE(needs.error().message().starts_with("no connection through the proxy " + closed +
                                                    " (except \"10.0.0.0/33\"): the list of hosts without a proxy "))
        << needs.error().message();
    const auto excluded = loop.run(web.get("http://localhost:" + closed.substr(closed.find(':') + 1) + "/"));
    EXPECT_EQ(excluded.error().phase(), http::phase::connect);
}

TEST(HttpProxyClient, EachValid2xxOpensTunnel) {
    std::string interim;
    for (int i = 0; i < 10; ++i) interim += "HTTP/1.1 102 Processing\r\nX: y\r\n\r\n";
    for (const std::string head : {"HTTP/1.1 200 OK", "HTTP/1.0 200 Connection established", "HTTP/1.1 200",
                                   "HTTP/1.1 204 x\r\nConnection: close",
                                   // A client must ignore the fields of a body: RFC 9110, section 9.3.6.
                                   "HTTP/1.1 200 OK\r\nContent-Length: 5", "HTTP/1.1 200 OK\r\nContent-Length: x",
                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5"}) {
        for (const auto& before : {std::string(), interim}) {
            support::http_proxy proxy;
            proxy.established = before + head + "\r\n\r\n";
            play(proxy, exclaiming(), [&](std::string address, std::string server) -> task<void> {
                const auto outcome = co_await http::upgrade("http://" + server + "/", upgrading(), with_proxy(address));
                EXPECT_TRUE(outcome && outcome->stream) << head;
            });
        }
    }
}

TEST(HttpProxyClient, InvalidResponsesToConnectAreErrors) {
    std::string interim;
    for (int i = 0; i < 11; ++i) interim += "HTTP/1.1 102 Processing\r\n\r\n";
    for (const std::string said : {"garbage", "HTTX", "SSH-2.0-x\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 20\r\n\r\n",
                                   "HTTP/1.1 000 OK\r\n\r\n", "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\nX\r\n\r\n",
                                   "HTTP/1.1 200 OK\r\n X: y\r\n\r\n", "HTTP/1.1 200 OK\r\nX: \x01y\r\n\r\n",
                                   "HTTP/1.1 101 Switching Protocols\r\n\r\n", interim.c_str()}) {
        const auto error = refusal(said);
        EXPECT_EQ(error.phase(), http::phase::proxy) << said;
        EXPECT_EQ(error.code(), http::errc::bad_message) << said;
        EXPECT_EQ(error.where(), "proxy") << said;
    }
}

TEST(HttpProxyClient, HeadOfProxyIsLimited) {
    const auto error = refusal("HTTP/1.1 200 OK\r\nX: " + std::string(200'000, 'y'));
    EXPECT_EQ(error.phase(), http::phase::proxy);
    EXPECT_EQ(error.code(), http::errc::header_too_large);
    EXPECT_EQ(refusal("HTTP/1.1 200 " + std::string(200, 'x'), http::client_options().header_limit(100)).code(),
              http::errc::header_too_large);
    std::string fields = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 1001; ++i) fields += "X: y\r\n";
    EXPECT_EQ(refusal(fields + "\r\n").code(), http::errc::bad_message);
}

TEST(HttpProxyClient, SilentProxyTimesOut) {
    for (const char* const said : {"", "HTTP/1.1 200 OK\r\nX"}) {
        const auto error = refusal(said, http::client_options().connect_timeout(50ms));
        EXPECT_EQ(error.phase(), http::phase::proxy);
        EXPECT_EQ(error.code(), eddy::errc::timed_out);
        EXPECT_EQ(error.where(), "proxy");
    }
}

TEST(HttpProxyClient, ProxyMayCloseConnectionAtAnyMoment) {
    const std::string said = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n";
    eddy::core loop;
    loop.run([](const std::string& all) -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto address = listener.local_addr().value().to_string();
        for (std::size_t size = 0; size < all.size(); ++size) {
            const auto answer = [&]() -> task<bool> {
                auto peer = (co_await listener.accept()).value().stream;
                std::array<char, 1024> some{};
                const auto count = co_await io::read(peer, some);
                const auto sent = co_await peer.write_all(all.substr(0, size));
                co_return count&& sent;
            };
            auto both = eddy::join(answer(), http::get("https://one.test/", with_proxy(address)));
            const auto [played, got] = co_await both;
            EXPECT_TRUE(played);
            EXPECT_EQ(got.error().phase(), http::phase::proxy);
            const bool is_first = size == 0;
            EXPECT_EQ(got.error().code(), is_first ? make_error_code(eddy::errc::unexpected_eof)
                                                   : make_error_code(http::errc::bad_message));
        }
    }(said));
}

TEST(HttpProxyClient, RequestsMayBeDroppedAtAnyMoment) {
    const support::leaves_no_descriptor check;
    support::http_proxy proxy;
    play(proxy, exclaiming(), [&](std::string address, std::string server) -> task<void> {
        const auto ask = [&] { return http::upgrade("http://" + server + "/", upgrading(), with_proxy(address)); };
        int complete = 0;
        for (int i = 0; i < 60; ++i) {
            const auto ended = co_await eddy::select_biased(ask(), support::yields(i));
            if (ended.index() != 0) continue;
            EXPECT_TRUE(std::get<0>(ended) && std::get<0>(ended)->stream);
            ++complete;
        }
        const auto outcome = co_await ask();
        EXPECT_TRUE(outcome && outcome->stream);
        EXPECT_LT(complete, 60);
    });
}

// ---- The environment ----

TEST(HttpProxyClientOwnProcess, ProxiesOfEnvironmentAreTheDefault) {
    support::http_proxy proxy;
    play(proxy, site(), [&](std::string address, std::string server) -> task<void> {
        const support::environment variable("http_proxy", ("http://" + address).c_str());
        const support::environment excluded("no_proxy", "two.test");
        const http::client web;
        const support::environment later("http_proxy", "wrong://x");
        EXPECT_EQ(co_await text_of(web.get("http://one.test/")), "proxied");
        EXPECT_TRUE((co_await text_of(web.get("http://" + server + "/fields"))).starts_with("HTTP/1.1"));
        const http::client direct(http::client_options().proxies(http::proxies::none()));
        EXPECT_TRUE((co_await text_of(direct.get("http://" + server + "/fields"))).starts_with("HTTP/1.1"));
        const auto wrong = co_await http::get("http://one.test/");
        EXPECT_EQ(wrong.error().code(), http::errc::proxy_not_supported);
        EXPECT_EQ(wrong.error().where(), "wrong://x");
    });
    EXPECT_EQ(proxy.heads.size(), 1U);
}

// ---- TLS ----

#ifdef EDDY_TEST_HTTPS

namespace tls = eddy::tls;

/// A server over TLS behind a proxy.
struct secure_site {
    support::tls_world world;
    support::http_proxy proxy;
    unsigned connections = 0;  // to the server

    http::client_options options(const std::string& proxy_url) const {
        return with_proxy(proxy_url).tls(world.client().build().value()).decompressed_limit(0);
    }
    /// Serves while `script(address, port)` runs: the address of the proxy, and the port of the server.
    template <class Script>
    void during(std::vector<std::string> protocols, Script script) {
        eddy::core loop;
        loop.run(serve(std::move(protocols), script));
    }
    /// Makes the proxy require TLS.
    void require_tls() {
        proxy.accept = [config =
                            world.server().build().value()](net::tcp_stream from) -> task<result<io::boxed_stream>> {
            auto stream = co_await try_(tls::accept(std::move(from), config));
            co_return io::boxed_stream(std::move(stream));
        };
    }

private:
    template <class Script>
    task<void> serve(std::vector<std::string> offered, Script& script) {
        auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
        auto listener = std::move(bound).value();
        const auto port = ":" + std::to_string(listener.local_addr().value().port());
        const auto config = world.server().alpn(std::move(offered)).build().value();
        const http::service app = site();
        const auto handler = [this, app, config](net::tcp_stream tcp, net::serve_connection c) -> task<result<void>> {
            ++connections;
            auto stream = co_await try_(tls::accept(std::move(tcp), config));
            co_return co_await http::serve_connection(std::move(stream), app, http::serve_options(), std::move(c));
        };
        const auto options = net::serve_options().on_error([](const auto&) {});  // refused handshakes
        auto server = eddy::spawn(net::serve(std::move(listener), handler, options));
        const auto run = [&](std::string address) { return script(std::move(address), port); };
        co_await proxy.during(run);
        server.abort();
        static_cast<void>(co_await std::move(server));
    }
};

http::request with_secrets() {
    http::request asked(http::method::get);
    asked.headers.add("Authorization", "secret");
    asked.headers.add("Proxy-Authorization", "not for a server");
    return asked;
}

TEST(HttpProxyTls, HttpsUsesTunnelWithEitherVersion) {
    for (const bool has_http2 : {false, true}) {
        secure_site site;
        std::vector<std::string> protocols;
        if (has_http2) protocols = http::alpn_protocols();
        std::string host;
        site.during(protocols, [&](std::string address, std::string port) -> task<void> {
            host = "localhost" + port;
            const http::client web(site.options("a:b@" + address));
            for (int i = 0; i < 3; ++i) {
                const auto got = co_await text_of(web.send("https://" + host + "/fields", with_secrets()));
                EXPECT_TRUE(got.starts_with("HTTP/")) << got;
                EXPECT_TRUE(got.contains("uthorization=secret")) << got;
                EXPECT_FALSE(got.contains("not for a server")) << got;
            }
        });
        EXPECT_EQ(site.connections, 1U);
        ASSERT_EQ(site.proxy.heads.size(), 1U);
        EXPECT_EQ(site.proxy.heads[0], "CONNECT " + host + " HTTP/1.1\r\nHost: " + host +
                                           "\r\nUser-Agent: eddy\r\nProxy-Authorization: Basic YTpi\r\n\r\n");
    }
}

TEST(HttpProxyTls, HttpsUsesSocksWithEitherVersion) {
    for (const bool has_http2 : {false, true}) {
        secure_site site;
        site.proxy.socks.emplace();
        site.during(has_http2 ? http::alpn_protocols() : std::vector<std::string>(),
                    [&](std::string address, std::string port) -> task<void> {
                        const http::client web(site.options("socks5://" + address));
                        for (int i = 0; i < 3; ++i) {
                            const auto url = "https://localhost" + port + "/fields";
                            const auto got = co_await text_of(web.send(url, with_secrets()));
                            EXPECT_TRUE(got.starts_with("HTTP/")) << got;
                            EXPECT_TRUE(got.contains("uthorization=secret")) << got;
                            EXPECT_FALSE(got.contains("not for a server")) << got;
                        }
                        const auto wrong = co_await web.get("https://other.test" + port + "/fields");
                        EXPECT_EQ(wrong.error().phase(), http::phase::tls);
                    });
        EXPECT_EQ(site.connections, 2U);  // one of them for other.test
        EXPECT_EQ(site.proxy.heads.size(), 4U);
    }
}

TEST(HttpProxyTls, NameOfServerIsVerifiedInTunnel) {
    secure_site site;
    site.during({}, [&](std::string address, std::string port) -> task<void> {
        const http::client web(site.options(address));
        const auto wrong = co_await web.get("https://other.test" + port + "/fields");
        EXPECT_EQ(wrong.error().phase(), http::phase::tls);
        EXPECT_EQ(wrong.error().where(), "other.test" + port + " (proxy " + address + ")");
        EXPECT_EQ(wrong.error().code().category(), tls::certificate_category());
    });
}

TEST(HttpProxyTls, GarbageInsteadOfTlsIsAnError) {
    secure_site site;
    site.proxy.connects = false;
    site.proxy.established += "HTTP/1.1 400 Bad Request\r\n\r\n";
    site.during({}, [&](std::string address, std::string port) -> task<void> {
        const auto wrong = co_await http::get("https://localhost" + port, site.options(address));
        EXPECT_EQ(wrong.error().phase(), http::phase::tls);
        EXPECT_EQ(wrong.error().code().category(), tls::openssl_category());
    });
}

TEST(HttpProxyTls, ProxyMayRequireTls) {
    secure_site site;
    site.require_tls();
    site.during(http::alpn_protocols(), [&](std::string address, std::string port) -> task<void> {
        const auto proxy = "localhost" + address.substr(address.rfind(':'));
        const http::client web(site.options("https://" + proxy));
        EXPECT_EQ(co_await text_of(web.get("http://one.test/")), "proxied");
        EXPECT_TRUE((co_await text_of(web.get("https://localhost" + port + "/fields"))).starts_with("HTTP/"));
        const http::client old(site.options("https://" + proxy).http2(false));
        EXPECT_TRUE((co_await text_of(old.get("https://localhost" + port + "/fields"))).starts_with("HTTP/1.1"));
        const auto plain = co_await http::get("http://one.test/", with_proxy("https://" + proxy));  // unknown authority
        EXPECT_EQ(plain.error().phase(), http::phase::proxy);
        EXPECT_EQ(plain.error().code().category(), tls::certificate_category());
    });
    EXPECT_TRUE(site.proxy.heads[0].starts_with("GET http://one.test/ "));
}

#endif

}  // namespace
