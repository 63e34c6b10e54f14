// SPDX-License-Identifier: MIT
// The server of eddy::http on TCP connections, and with the clients of other projects: curl and Python.
// covers: P147
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/http/curl.hpp"
#include "support/http/http_server.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::sync::cancellation_token;
using support::receive_all;
using support::serve_http_during;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

task<http::response> say_path(http::request asked) {
    co_return http::response(http::status::ok, std::string(asked.path()));
}

task<std::string> receive(net::tcp_stream& from, std::size_t count) {
    std::string text(count, ' ');
    const auto read = co_await from.read_exact(std::as_writable_bytes(std::span(text)));
    co_return read ? text : "error: " + read.error().message();
}

std::string get(std::string path, std::string fields = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

TEST(HttpServe, ShutdownClosesIdleAndAwaitsBusyConnections) {
    eddy::core loop;
    eddy::sync::notify is_busy;
    eddy::sync::notify go_on;
    const auto app = [&](http::request asked) -> task<http::response> {
        if (asked.path() == "/busy") {
            is_busy.notify_one();
            co_await go_on.notified();
        }
        co_return http::response(http::status::ok, std::string(asked.path()));
    };
    std::string idle_got;
    std::string busy_got;
    auto script = [&](net::socket_addr to, cancellation_token end) -> task<void> {
        auto idle = (co_await net::tcp_stream::connect(to)).value();
        auto busy = (co_await net::tcp_stream::connect(to)).value();
        (co_await idle.write_all(get("/idle"))).value();
        EXPECT_TRUE((co_await receive(idle, 15)).starts_with("HTTP/1.1 200 OK"));
        (co_await busy.write_all(get("/busy"))).value();
        co_await is_busy.notified();
        end.cancel();
        idle_got = co_await receive_all(idle);
        go_on.notify_one();
        busy_got = co_await receive_all(busy);
    };
    const auto report = loop.run(serve_http_during(app, http::serve_options(), script));
    EXPECT_TRUE(idle_got.ends_with("/idle")) << idle_got;
    EXPECT_TRUE(busy_got.ends_with("/busy")) << busy_got;
    EXPECT_NE(busy_got.find("Connection: close\r\n"), std::string::npos) << busy_got;
    EXPECT_EQ(report.accepted, 2U);
    EXPECT_EQ(report.aborted, 1U);
    EXPECT_EQ(report.failed, 0U);
}

TEST(HttpServe, IdleConnectionsAreClosedAfterTimeout) {
    eddy::core loop;
    std::string got;
    auto script = [&](net::socket_addr to, cancellation_token) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/a"))).value();
        got = co_await receive_all(client);
    };
    const auto report = loop.run(serve_http_during(say_path, http::serve_options().idle_timeout(20ms), script));
    EXPECT_TRUE(got.ends_with("/a")) << got;
    EXPECT_EQ(report.aborted, 1U);
}

task<http::response> say_later(eddy::sync::notify& is_busy, eddy::sync::notify& go_on) {
    is_busy.notify_one();
    co_await go_on.notified();
    co_return http::response();
}

TEST(HttpServe, TreeShowsWhereTheServiceWaits) {
    eddy::core loop;
    eddy::sync::notify is_busy;
    eddy::sync::notify go_on;
    http::router app;
    app.get("/idle", say_path).get("/busy", [&](http::request) { return say_later(is_busy, go_on); });
    std::string tree;
    auto script = [&](net::socket_addr to, cancellation_token) -> task<void> {
        auto idle = (co_await net::tcp_stream::connect(to)).value();
        auto busy = (co_await net::tcp_stream::connect(to)).value();
        (co_await idle.write_all(get("/idle"))).value();
        EXPECT_TRUE((co_await receive(idle, 15)).starts_with("HTTP/1.1 200 OK"));
        (co_await busy.write_all(get("/busy"))).value();
        co_await is_busy.notified();
        tree = eddy::dump_tasks();
        go_on.notify_one();
        EXPECT_TRUE((co_await receive(busy, 12)).starts_with("HTTP/1.1 200"));
    };
    loop.run(serve_http_during(app, http::serve_options(), script));
    const auto at = tree.find("say_later  ");
    ASSERT_NE(at, std::string::npos) << tree;
    EXPECT_TRUE(tree.substr(tree.find('\n', at)).starts_with("\n    waits for a notification at ")) << tree;
    EXPECT_TRUE(tree.contains("    waits for the next request of an HTTP client at ")) << tree;
}

/// Plays a script with a server whose idle connections stay open for `grace` after the script has cancelled the token.
net::serve_report serve_with_grace(std::chrono::nanoseconds grace,
                                   const std::function<task<void>(net::socket_addr, cancellation_token)>& script) {
    eddy::core loop;
    const auto play = [&]() -> task<net::serve_report> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto to = listener.local_addr().value();
        const cancellation_token end;
        auto options = http::serve_options().shutdown(end).idle_grace(grace);
        auto serving = eddy::spawn(http::serve(std::move(listener), say_path, std::move(options)));
        co_await script(to, end);
        const auto report = co_await serving;
        co_return report.value().value();
    };
    return loop.run(play());
}

TEST(HttpServe, RequestOfIdleConnectionIsAnsweredDuringItsGrace) {
    const auto script = [](net::socket_addr to, cancellation_token end) -> task<void> {
        auto silent = (co_await net::tcp_stream::connect(to)).value();  // it is accepted before the next one
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/a"))).value();
        const auto first = co_await receive(client, 15);
        EXPECT_TRUE(first.starts_with("HTTP/1.1 200 OK")) << first;
        end.cancel();
        for (int i = 0; i < 10; ++i) co_await eddy::yield_now();  // the server sees the cancellation
        for (auto* const each : {&client, &silent}) {
            (co_await each->write_all(get("/b"))).value();
            const auto last = co_await receive_all(*each);
            EXPECT_TRUE(last.contains("HTTP/1.1 200 OK\r\n")) << last;
            EXPECT_TRUE(last.contains("Connection: close\r\n")) << last;
        }
    };
    const auto report = serve_with_grace(1h, script);
    EXPECT_EQ(report.accepted, 2U);
    EXPECT_EQ(report.aborted, 0U);
}

TEST(HttpServe, IdleConnectionIsClosedAfterItsGrace) {
    const auto script = [](net::socket_addr to, cancellation_token end) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/a"))).value();
        EXPECT_TRUE((co_await receive(client, 15)).starts_with("HTTP/1.1 200 OK"));
        end.cancel();
        static_cast<void>(co_await receive_all(client));
    };
    EXPECT_EQ(serve_with_grace(1ms, script).aborted, 1U);
}

TEST(HttpServe, ShutdownAwaitsHandlerThatDroppedAnIdleConnection) {
    eddy::core loop;
    eddy::sync::notify leave;
    eddy::sync::notify has_left;
    eddy::sync::notify go_on;
    const http::service app(say_path);
    const auto handler = [&](net::tcp_stream client, net::serve_connection connection) -> task<result<void>> {
        auto serving = http::serve_connection(std::move(client), app, http::serve_options(), connection);
        auto first = eddy::select(std::move(serving), leave.notified());
        static_cast<void>(co_await first);
        has_left.notify_one();
        co_await go_on.notified();
        co_return eddy::ok();
    };
    const auto play = [&]() -> task<net::serve_report> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto to = listener.local_addr().value();
        const cancellation_token end;
        auto serving = eddy::spawn(net::serve(std::move(listener), handler, net::serve_options().shutdown(end)));
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/a"))).value();
        EXPECT_TRUE((co_await receive(client, 15)).starts_with("HTTP/1.1 200 OK"));
        leave.notify_one();
        co_await has_left.notified();
        end.cancel();
        for (int i = 0; i < 10; ++i) co_await eddy::yield_now();  // the server sees the cancellation
        go_on.notify_one();
        const auto report = co_await serving;
        co_return report.value().value();
    };
    const auto report = loop.run(play());
    EXPECT_EQ(report.accepted, 1U);
    EXPECT_EQ(report.aborted, 0U);
}

TEST(HttpServe, ErrorsOfTheServiceAreReported) {
    eddy::core loop;
    std::vector<std::string> reported;
    auto options = http::serve_options().on_error([&](const auto& error) { reported.emplace_back(error.message); });
    const auto app = [](http::request) -> task<result<http::response>> {
        co_return std::unexpected(std::make_error_code(std::errc::no_space_on_device));
    };
    std::string got;
    auto script = [&](net::socket_addr to, cancellation_token) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/disk?key=secret"))).value();
        got = co_await receive_all(client);
        // A client that breaks the protocol is not an error of the service.
        auto bad = (co_await net::tcp_stream::connect(to)).value();
        (co_await bad.write_all("GET / HTTP/1.1\n\n")).value();
        EXPECT_TRUE((co_await receive_all(bad)).starts_with("HTTP/1.1 400 "));
    };
    const auto report = loop.run(serve_http_during(app, std::move(options), script));
    EXPECT_TRUE(got.starts_with("HTTP/1.1 500 ")) << got;
    EXPECT_EQ(report.failed, 1U);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0], "GET /disk: " + std::make_error_code(std::errc::no_space_on_device).message());
}

TEST(HttpServe, ReportsOfExceptionsNameTheRequest) {
    eddy::core loop;
    std::vector<std::string> reported;
    auto options = http::serve_options().on_error([&](const auto& error) {
        EXPECT_NE(error.exception, nullptr);
        reported.push_back(error.message);
    });
    const auto app = [](http::request asked) -> task<http::response> {
        if (asked.path().starts_with("/good")) co_return http::response(http::status::ok);
        throw std::runtime_error("broken");
    };
    auto script = [&](net::socket_addr to, cancellation_token) -> task<void> {
        for (const auto& path : {std::string("/bad"), std::string("/good"), "/" + std::string(200, 'x')}) {
            auto client = (co_await net::tcp_stream::connect(to)).value();
            (co_await client.write_all(get("/good") + get(path, "Connection: close\r\n"))).value();
            EXPECT_TRUE((co_await receive_all(client)).starts_with("HTTP/1.1 200 ")) << path;
        }
    };
    const auto report = loop.run(serve_http_during(app, std::move(options), script));
    EXPECT_EQ(report.failed, 2U);
    const std::vector<std::string> expected{"GET /bad: broken", "GET /" + std::string(99, 'x') + "...: broken"};
    EXPECT_EQ(reported, expected);
}

TEST(HttpServe, ReportsOfHttp2NameTheRequest) {
    if (http::alpn_protocols().size() == 1) GTEST_SKIP() << "built without nghttp2";
    eddy::core loop;
    std::vector<std::string> reported;
    eddy::sync::notify has_run;
    const auto app = [&](http::request) -> task<result<http::response>> {
        has_run.notify_one();
        co_return std::unexpected(std::make_error_code(std::errc::no_space_on_device));
    };
    // The preface, an empty SETTINGS frame, and HEADERS: the fields are :method GET, :scheme http, :path / and
    // :authority a, in HPACK.
    constexpr std::string_view bytes(
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        "\0\0\0\4\0\0\0\0\0"
        "\0\0\6\1\5\0\0\0\1\x82\x86\x84\x41\1a",
        48);
    auto options = http::serve_options().on_error([&](const auto& error) { reported.push_back(error.message); });
    auto script = [&](net::socket_addr to, cancellation_token) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(bytes)).value();
        co_await has_run.notified();
    };
    const auto report = loop.run(serve_http_during(app, std::move(options), script));
    EXPECT_EQ(report.failed, 1U);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0], "GET /: " + std::make_error_code(std::errc::no_space_on_device).message());
}

TEST(HttpServe, RequestHasAddressOfClient) {
    eddy::core loop;
    std::optional<net::socket_addr> seen;
    const auto app = [&](http::request asked) -> task<http::response> {
        seen = asked.peer;
        co_return http::response(http::status::ok);
    };
    auto script = [&](net::socket_addr to, cancellation_token) -> task<void> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/", "Connection: close\r\n"))).value();
        EXPECT_TRUE((co_await receive_all(client)).starts_with("HTTP/1.1 200 OK"));
        EXPECT_EQ(seen, client.local_addr().value());
    };
    loop.run(serve_http_during(app, http::serve_options(), script));
}

TEST(HttpServe, HealthIsFalseBeforeTheServerEnds) {
    eddy::core loop;
    const cancellation_token ending;
    const auto status_at = [](net::socket_addr to) -> task<std::string> {
        auto client = (co_await net::tcp_stream::connect(to)).value();
        (co_await client.write_all(get("/health", "Connection: close\r\n"))).value();
        const auto answer = co_await receive_all(client);
        co_return answer.substr(0, answer.find("\r\n"));
    };
    auto script = [&](net::socket_addr to, cancellation_token) -> task<void> {
        const auto before = co_await status_at(to);
        ending.cancel();
        const auto after = co_await status_at(to);
        EXPECT_EQ(before, "HTTP/1.1 200 OK");
        EXPECT_EQ(after, "HTTP/1.1 503 Service Unavailable");
    };
    loop.run(serve_http_during(http::health(ending), http::serve_options(), script));
}

TEST(HttpServe, AbortClosesConnectionsInMiddleOfRequest) {
    eddy::core loop;
    loop.run([]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto address = listener.local_addr().value();
        const auto app = [](http::request asked) -> task<result<http::response>> {
            auto all = co_await try_(asked.body.read_all());
            co_return http::response(http::status::ok, std::move(all));
        };
        auto server = eddy::spawn(http::serve(std::move(listener), app));
        auto client = (co_await net::tcp_stream::connect(address)).value();
        (co_await client.write_all("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")).value();
        co_await eddy::yield_now();
        server.abort();
        const auto ended = co_await std::move(server);
        EXPECT_FALSE(ended.has_value());
        EXPECT_EQ(co_await receive_all(client), "");
    }());
}

#ifdef EDDY_TEST_HTTP_EXAMPLES

using support::addr_in;
using support::process;

process::outcome curl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "--http1.1");
    return support::curl(std::move(arguments));
}

TEST(HttpPeers, WebServerWorksWithCurl) {
    process server({"web_server", "127.0.0.1:0"});
    const std::string url = "http://" + addr_in(server.line()).to_string();
    EXPECT_EQ(curl({"-X", "PUT", "-d", "buy tea", url + "/notes/monday"}).code, 0);
    EXPECT_EQ(curl({url + "/notes/monday", url + "/notes"}).out, "buy tea\n{\"monday\":\"buy tea\"}\n");
    EXPECT_EQ(curl({"-o", "/dev/null", "-w", "%{num_connects}", url + "/notes", "-o", "/dev/null", url + "/notes"}).out,
              "10");  // the second request uses the same connection
    EXPECT_EQ(curl({url + "/count/3"}).out, "1\n2\n3\n");
    EXPECT_EQ(curl({"--http1.0", url + "/count/3"}).out, "1\n2\n3\n");
    EXPECT_EQ(curl({"-o", "/dev/null", "-w", "%{http_code}", url + "/none"}).out, "404");
    EXPECT_EQ(curl({"-o", "/dev/null", "-w", "%{http_code}", "-X", "DELETE", url + "/notes"}).out, "405");
    const auto head = curl({"-I", url + "/notes/monday"}).out;
    EXPECT_TRUE(head.starts_with("HTTP/1.1 200 OK\r\n")) << head;
    EXPECT_NE(head.find("Content-Length: 8\r\n"), std::string::npos) << head;

    server.signal(SIGINT);
    const auto ended = server.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
}

TEST(HttpPeers, ServiceTellsItsManagerThatItIsReadyAndThatItEnds) {
    eddy::core loop;
    const support::temp_dir folder;
    const std::string path = folder / "notify";
    auto manager = support::within(loop, net::unix_datagram::bind(path)).value();
    const auto next = [&] {
        std::array<std::byte, 64> buffer{};
        const auto count = support::within(loop, manager.recv(buffer)).value();
        return support::text_of(std::span(buffer).first(count));
    };
    process service({"service", "127.0.0.1:0"}, {}, {"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=600000000"});
    const std::string url = "http://" + addr_in(service.line()).to_string();
    EXPECT_EQ(next(), "READY=1");
    EXPECT_EQ(next(), "WATCHDOG=1");
    EXPECT_TRUE(curl({url + "/"}).out.starts_with("you are 127.0.0.1:"));
    EXPECT_EQ(curl({url + "/health"}).out, "ok\n");
    service.signal(SIGTERM);
    EXPECT_EQ(next(), "STOPPING=1");
    const auto ended = service.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
}

TEST(HttpPeers, ServiceKnowsItsClientsBehindAProxy) {
    process service({"service", "--behind-proxy", "127.0.0.1:0"});
    const auto proxy = support::raw_socket::connected(addr_in(service.line()));
    proxy.send("PROXY TCP4 192.0.2.1 198.51.100.1 56324 80\r\n" + get("/", "Connection: close\r\n"));
    const std::string answer = proxy.receive(1000);
    EXPECT_TRUE(answer.ends_with("\r\n\r\nyou are 192.0.2.1:56324\n")) << answer;
}

TEST(HttpPeers, CurlUploadsLargeFilesInBothFramings) {
    process server({"web_server", "127.0.0.1:0"});
    const std::string url = "http://" + addr_in(server.line()).to_string() + "/echo";
    const support::temp_dir folder;
    std::string content;
    for (int i = 0; content.size() < 3'000'000; ++i) content += std::to_string(i) + '\n';
    std::ofstream(folder / "sent") << content;
    for (const std::string expect : {"Expect:", "Expect: 100-continue"}) {
        for (const std::string framing : {"X: y", "Transfer-Encoding: chunked"}) {
            const auto ended = curl({"-T", folder / "sent", "-H", expect, "-H", framing, "-o", folder / "got", url});
            EXPECT_EQ(ended.code, 0) << ended.err;
            std::ifstream got(folder / "got", std::ios::binary);
            EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(got), {}) == content) << expect << ", " << framing;
        }
    }
}

TEST(HttpPeers, WebServerWorksWithPythonsClient) {
    process server({"web_server", "127.0.0.1:0"});
    const auto ended = support::run({EDDY_PYTHON, "-c", R"(
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
def ask(*a, **k):
    c.request(*a, **k)
    r = c.getresponse()
    return r.status, r.read()
assert ask("PUT", "/notes/a%20b", b"x") == (204, b""), "put"
socket = c.sock
assert ask("GET", "/notes/a%20b") == (200, b"x\n"), "get"
assert ask("HEAD", "/notes/a%20b") == (200, b""), "head"
assert ask("GET", "/none")[0] == 404
assert ask("PUT", "/echo", (b"y" * 1000 for _ in range(60)), encode_chunked=True) == (200, b"y" * 60000), "chunked"
assert ask("POST", "/echo", b"z" * 60000) == (200, b"z" * 60000), "length"
assert ask("GET", "/count/4") == (200, b"1\n2\n3\n4\n"), "stream"
assert ask("GET", "/count/x")[0] == 400
assert c.sock is socket, "the connection was not kept"
print("fine")
)",
                                     std::to_string(addr_in(server.line()).port())});
    EXPECT_EQ(ended.out, "fine\n") << ended.err;
}

#endif

}  // namespace
