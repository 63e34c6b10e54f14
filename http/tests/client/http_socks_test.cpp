// SPDX-License-Identifier: MIT
// The client of eddy::http with SOCKS5 proxies: RFC 1928, and RFC 1929 for the password.
#include <eddy/http.hpp>

#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/http/http_answers.hpp"
#include "support/http/http_proxy.hpp"
#include "support/http/http_server.hpp"

namespace {

using support::text_of;

using namespace std::chrono_literals;
using namespace std::string_literals;
using eddy::task;
namespace http = eddy::http;
namespace net = eddy::net;

http::client_options with_proxy(const std::string& url) {
    return http::client_options().proxies(http::proxies::none().for_all(url)).timeout(20s);
}

task<http::response> say_host(http::request asked) {
    co_return http::response::text(std::string(asked.headers.at("Host")));
}

/// Runs `script(proxy, port)` with a proxy and a server: the URL of the proxy, and ":" with the port of the server.
template <class Script>
void play(support::http_proxy& proxy, Script script) {
    eddy::core loop;
    const auto with_server = [&](net::socket_addr server, const auto&) -> task<void> {
        const auto port = ":" + std::to_string(server.port());
        const auto run = [&](std::string address) { return script("socks5://" + address, port); };
        co_await proxy.during(run);
    };
    loop.run(support::serve_http_during(say_host, http::serve_options(), with_server));
}

/// Returns the bytes of ":80".
std::string bytes_of(const std::string& port) {
    const auto number = static_cast<unsigned>(std::stoi(port.substr(1)));
    return {static_cast<char>(number / 256), static_cast<char>(number % 256)};
}

TEST(HttpSocks, ProxyLooksUpNames) {
    for (const std::string scheme : {"socks5", "socks5h"}) {
        support::http_proxy proxy;
        proxy.socks.emplace();
        std::string port;
        play(proxy, [&](std::string url, std::string of_server) -> task<void> {
            port = of_server;
            const http::client web(with_proxy(scheme + url.substr(6)));
            for (int i = 0; i < 3; ++i) EXPECT_EQ(co_await text_of(web, "http://one.test" + port), "one.test" + port);
        });
        EXPECT_EQ(proxy.connections, 1U);  // which is kept
        ASSERT_EQ(proxy.heads.size(), 2U);
        EXPECT_EQ(proxy.heads[0], "\5\1\0"s);
        EXPECT_EQ(proxy.heads[1], "\5\1\0\3\10one.test"s + bytes_of(port));
    }
}

TEST(HttpSocks, AddressesAreSentAsAddresses) {
    support::http_proxy proxy;
    proxy.socks.emplace();
    std::string port;
    play(proxy, [&](std::string url, std::string of_server) -> task<void> {
        port = of_server;
        const http::client web(with_proxy(url));
        EXPECT_EQ(co_await text_of(web, "http://10.1.2.3" + port), "10.1.2.3" + port);
        EXPECT_EQ(co_await text_of(web, "http://[2001:db8::1]" + port), "[2001:db8::1]" + port);
    });
    ASSERT_EQ(proxy.heads.size(), 4U);
    EXPECT_EQ(proxy.heads[1], "\5\1\0\1\12\1\2\3"s + bytes_of(port));
    EXPECT_EQ(proxy.heads[3], "\5\1\0\4\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"s + bytes_of(port));
}

TEST(HttpSocks, PasswordIsSentIfProxyAsksForIt) {
    for (const bool asks : {true, false}) {
        support::http_proxy proxy;
        proxy.socks.emplace();
        if (asks) proxy.socks->method = "\5\2"s;
        play(proxy, [&](std::string url, std::string port) -> task<void> {
            const http::client web(with_proxy("socks5://us%3Aer:p%40ss@" + url.substr(9)));
            EXPECT_EQ(co_await text_of(web, "http://one.test" + port), "one.test" + port);
        });
        ASSERT_EQ(proxy.heads.size(), asks ? 3U : 2U);
        EXPECT_EQ(proxy.heads[0], "\5\2\0\2"s);
        EXPECT_EQ(proxy.heads[1].starts_with("\1\5us:er\4p@ss"), asks);
    }
}

TEST(HttpSocks, EachFormOfBoundAddressIsDiscarded) {
    for (const std::string& address :
         {"\1\0\0\0\0"s, "\3\0"s, "\3\377"s + std::string(255, 'x'), "\3\3abc"s, "\4"s + std::string(16, 'x')}) {
        support::http_proxy proxy;
        proxy.socks.emplace().request = "\5\0\0"s + address + "\1\2";
        play(proxy, [&](std::string url, std::string port) -> task<void> {
            EXPECT_EQ(co_await text_of(http::client(with_proxy(url)), "http://one.test" + port), "one.test" + port);
        });
    }
}

/// Requests a URL through a proxy with these replies, which then keeps the connection open. Returns the error, in which
/// "proxy" replaces the address.
http::client_error refusal(support::socks_replies replies, const std::string& user = "",
                           http::client_options options = http::client_options()) {
    support::http_proxy proxy;
    proxy.connects = false;
    proxy.socks = std::move(replies);
    std::optional<http::client_error> error;
    play(proxy, [&](std::string url, std::string) -> task<void> {
        const auto address = url.substr(9);
        const http::client web(options.proxies(http::proxies::none().for_all("socks5://" + user + address)));
        const auto answer = co_await web.get("http://one.test/");
        const auto& found = answer.error();
        std::string where = found.where();
        if (where.starts_with(address)) where.replace(0, address.size(), "proxy");
        error.emplace(found.phase(), where, found.code());
    });
    return *std::move(error);
}

TEST(HttpSocks, RefusalsHaveTheirReason) {
    const std::vector<std::string> reasons = {
        "general failure",    "not permitted", "network unreachable",   "host unreachable",
        "connection refused", "TTL expired",   "command not supported", "address type not supported",
        "unknown reply"};
    for (std::size_t i = 0; i < reasons.size(); ++i) {
        support::socks_replies replies;
        replies.request = "\5"s + static_cast<char>(i + 1) + "\0\1"s;  // the address may be missing
        const auto error = refusal(replies);
        EXPECT_EQ(error.phase(), http::phase::proxy);
        EXPECT_EQ(error.code(), http::errc::proxy_refused);
        EXPECT_EQ(error.where(), "proxy (" + reasons[i] + ")");
    }
    support::socks_replies wrong;
    wrong.method = "\5\2"s;
    wrong.login = "\1\1"s;
    EXPECT_EQ(refusal(wrong, "user:secret@").code(), http::errc::proxy_refused);
    EXPECT_EQ(refusal(wrong, "user:secret@").where(), "proxy (wrong user name or password)");
    wrong.method = "\5\377"s;
    EXPECT_EQ(refusal(wrong).code(), http::errc::proxy_refused);
    EXPECT_EQ(refusal(wrong).where(), "proxy (it requires another authentication)");
}

TEST(HttpSocks, InvalidRepliesAreErrors) {
    const auto with = [](std::string method, std::string request) {
        support::socks_replies replies;
        replies.method = std::move(method);
        replies.request = std::move(request);
        return refusal(replies);
    };
    const auto valid = support::socks_replies();
    for (const auto& error : {with("\4\0"s, valid.request), with("\5\2"s, valid.request), with("\5\1"s, valid.request),
                              with("HTTP/1.1 400 Bad Request\r\n\r\n", valid.request), with(valid.method, "\4\0\0\1"s),
                              with(valid.method, "\5\0\0\2"s), with(valid.method, "\5\0\0\0"s)}) {
        EXPECT_EQ(error.phase(), http::phase::proxy);
        EXPECT_EQ(error.code(), http::errc::bad_message);
        EXPECT_EQ(error.where(), "proxy");
    }
}

TEST(HttpSocks, SilentProxyTimesOut) {
    for (const std::string& said : {""s, "\5\0\0\1\0"s}) {
        support::socks_replies replies;
        replies.request = said;
        const auto error = refusal(replies, "", http::client_options().connect_timeout(50ms));
        EXPECT_EQ(error.phase(), http::phase::proxy);
        EXPECT_EQ(error.code(), eddy::errc::timed_out);
        EXPECT_EQ(error.where(), "proxy");
    }
}

TEST(HttpSocks, ProxyMayCloseConnectionAtAnyMoment) {
    const auto said = "\5\0"s + support::socks_replies().request;
    eddy::core loop;
    loop.run([](const std::string& all) -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto address = listener.local_addr().value().to_string();
        for (std::size_t size = 0; size < all.size(); ++size) {
            const auto answer = [&]() -> task<bool> {
                auto peer = (co_await listener.accept()).value().stream;
                std::string some(3, '\0');
                const auto count = co_await eddy::io::read_exact(peer, some);
                const auto sent = co_await peer.write_all(all.substr(0, size));
                co_return count&& sent;
            };
            auto both = eddy::join(answer(), http::get("http://one.test/", with_proxy("socks5://" + address)));
            const auto [played, got] = co_await both;
            EXPECT_TRUE(played);
            EXPECT_EQ(got.error().phase(), http::phase::proxy);
            // The proxy may close the connection before it has read the request, which resets the connection.
            const bool is_end = got.error().code() == eddy::errc::unexpected_eof ||
                                got.error().code() == std::errc::connection_reset ||
                                got.error().code() == std::errc::broken_pipe;
            EXPECT_TRUE(is_end) << got.error().message();
        }
    }(said));
}

}  // namespace
