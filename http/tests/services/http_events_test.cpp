// SPDX-License-Identifier: MIT
// Server-sent events, and the counters of a server.
// covers: P147
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "support/prometheus.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::samples_in;
namespace http = eddy::http;
namespace io = eddy::io;
using events = eddy::sync::mpsc<http::event>;

/// Receives from a stream until the text ends with `end`.
task<std::string> receive(io::duplex_stream& from, std::string end) {
    std::string text;
    std::array<std::byte, 1> one{};
    while (!text.ends_with(end)) {
        const auto count = co_await io::read(from, one);
        if (!count || *count == 0) break;
        text += static_cast<char>(one[0]);
    }
    co_return text;
}

/// Serves a connection in memory while `play(client)` runs. `play` ends the connection.
template <class Play>
void serve_while(http::service app, http::serve_options options, Play play) {
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(4096);
        auto serving = http::serve_connection(std::move(far), app, std::move(options));
        auto playing = play(std::move(near));
        auto both = eddy::join(std::move(serving), std::move(playing));
        static_cast<void>(co_await both);
    });
}

TEST(HttpEvents, EventsAreWrittenInLines) {
    EXPECT_EQ(http::event("one").text(), "data: one\n");
    EXPECT_EQ(http::event("").text(), "data: \n");
    EXPECT_EQ(http::event("a\nb\r\nc\rd\n").text(), "data: a\ndata: b\ndata: c\ndata: d\ndata: \n");
    EXPECT_EQ(http::event("x").name("news").id("7").retry(1500us).text(), "data: x\nevent: news\nid: 7\nretry: 2\n");
    EXPECT_THROW(http::event("x").name("a\nb"), eddy::misuse);
    EXPECT_THROW(http::event("x").id(std::string(1, '\0')), eddy::misuse);
}

TEST(HttpEvents, EventsAndCommentsArriveAtOnce) {
    auto [sender, receiver] = events::channel(4);
    const auto source = std::make_shared<events::receiver>(std::move(receiver));
    const auto app = [source](http::request) -> task<http::response> {
        co_return http::event_stream(std::move(*source), 15s);
    };
    serve_while(app, http::serve_options(), [&](io::duplex_stream client) -> task<void> {
        static_cast<void>(co_await io::write_all(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        const auto head = co_await receive(client, "\r\n\r\n");
        EXPECT_NE(head.find("Content-Type: text/event-stream\r\n"), std::string::npos) << head;
        EXPECT_NE(head.find("Cache-Control: no-cache\r\n"), std::string::npos) << head;
        static_cast<void>(co_await sender.send(http::event("one")));
        EXPECT_EQ(co_await receive(client, "\n\n\r\n"), "b\r\ndata: one\n\n\r\n");
        const auto before = eddy::time::clock::now();
        EXPECT_EQ(co_await receive(client, "\n\n\r\n"), "3\r\n:\n\n\r\n");
        EXPECT_EQ(eddy::time::clock::now() - before, 15s);
        static_cast<void>(co_await sender.send(http::event("two")));
        {
            const auto dropped = std::move(sender);
        }
        EXPECT_EQ(co_await receive(client, "0\r\n\r\n"), "b\r\ndata: two\n\n\r\n0\r\n\r\n");
    });
}

// covers: R021
TEST(HttpEvents, LongestKeepAliveSendsNoComments) {
    eddy::test::run_paused([]() -> task<void> {
        auto [sender, receiver] = events::channel(1);
        auto response = http::event_stream(std::move(receiver), std::chrono::nanoseconds::max());
        std::array<std::byte, 16> into{};
        auto limited = eddy::time::timeout(24h, io::read(response.body, into));
        const auto got = co_await limited;
        EXPECT_FALSE(got.has_value());
    });
}

TEST(HttpEvents, StreamIsDestroyedWhenClientIsGone) {
    auto [sender, receiver] = events::channel(4);
    const auto source = std::make_shared<events::receiver>(std::move(receiver));
    const auto app = [source](http::request) -> task<http::response> {
        co_return http::event_stream(std::move(*source), 24h);
    };
    serve_while(app, http::serve_options(), [&](io::duplex_stream client) -> task<void> {
        static_cast<void>(co_await io::write_all(client, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next"));
        static_cast<void>(co_await receive(client, "\r\n\r\n"));
        EXPECT_FALSE(sender.is_closed());
        {
            const auto dropped = std::move(client);
        }
        const auto before = eddy::time::clock::now();
        co_await sender.closed();
        EXPECT_EQ(eddy::time::clock::now(), before);
    });
}

TEST(HttpMetrics, RequestsAndConnectionsAreCounted) {
    const http::metrics counters;
    http::router app;
    app.get("/metrics", counters.endpoint());
    app.get("/slow", [](http::request) -> task<http::response> {
        co_await eddy::time::sleep(20ms);
        co_return http::response::text("late");
    });
    app.get("/error", [](http::request) -> task<eddy::result<http::response>> {
        co_return std::unexpected(std::make_error_code(std::errc::io_error));
    });
    const auto options = http::serve_options().metrics(counters).on_error([](const auto&) {});
    for (const std::string request :
         {"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\nbad\r\n\r\n",
          "GET /error HTTP/1.1\r\nHost: a\r\n\r\n"}) {
        serve_while(app, options, [&](io::duplex_stream client) -> task<void> {
            static_cast<void>(co_await io::write_all(client, request));
            const auto all = co_await receive(client, "no such end");
            EXPECT_NE(all.find("Connection: close"), std::string::npos) << all;
        });
    }
    std::string text;
    serve_while(app, options, [&](io::duplex_stream client) -> task<void> {
        static_cast<void>(
            co_await io::write_all(client, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
        text = co_await receive(client, "no such end");
    });
    EXPECT_NE(text.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), std::string::npos) << text;
    text = text.substr(text.find("\r\n\r\n") + 4);
    const auto samples = samples_in(text);
    const std::map<std::string, double> expected = {
        {"http_requests_total{code=\"200\"}", 1},
        {"http_requests_total{code=\"404\"}", 1},
        {"http_requests_total{code=\"400\"}", 1},
        {"http_requests_total{code=\"500\"}", 1},
        {"http_request_duration_seconds_bucket{le=\"0.0005\"}", 2},
        {"http_request_duration_seconds_bucket{le=\"0.001\"}", 2},
        {"http_request_duration_seconds_bucket{le=\"0.01\"}", 2},
        {"http_request_duration_seconds_bucket{le=\"0.025\"}", 3},
        {"http_request_duration_seconds_bucket{le=\"+Inf\"}", 3},
        {"http_request_duration_seconds_sum", 0.02},
        {"http_request_duration_seconds_count", 3},
        {"http_requests_in_progress", 1},
        {"http_connections", 1},
        {"http_connections_total", 3},
    };
    for (const auto& [name, value] : expected) {
        ASSERT_TRUE(samples.contains(name)) << name << "\n" << text;
        EXPECT_EQ(samples.at(name), value) << name;
    }
    EXPECT_TRUE(text.contains("\neddy_polls_total{executor=\"loop-")) << text;
    for (const auto& [name, value] : samples) EXPECT_FALSE(name.contains("le=") && name.contains("e-")) << name;
}

TEST(HttpMetrics, StatusIsThatOfTheResponse) {
    const http::metrics counters;
    http::router app;
    app.post("/", [](http::request asked) -> task<eddy::result<http::response>> {
        co_return http::response::text(co_await eddy::try_(asked.body.read_text(5)));
    });
    app.get("/bad", [](http::request) -> task<http::response> { co_return http::response(http::status(1000)); });
    app.get("/upgrade", [](http::request) -> task<http::response> {
        co_return http::switch_protocols("a", [](http::upgraded_connection) -> task<void> { co_return; });
    });
    const auto options = http::serve_options().metrics(counters).io_timeout(1s).body_limit(10);
    const std::string sized = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
    const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const auto ask = [&](std::string request, bool ends) {
        std::string all;
        const auto play = [&](io::duplex_stream client) -> task<void> {
            static_cast<void>(co_await io::write_all(client, request));
            if (ends) static_cast<void>(co_await io::shutdown(client));
            all = co_await receive(client, "no such end");
        };
        try {
            serve_while(app, options, play);
        } catch (const eddy::misuse&) {
            EXPECT_TRUE(request.contains("/bad"));
        }
        return all.empty() ? "none" : all.substr(9, 3);
    };
    EXPECT_EQ(ask(sized + "2\r\n\r\nx", true), "400");
    EXPECT_EQ(ask(chunked + "2,x=y\r\n", false), "400");
    EXPECT_EQ(ask(sized + "2\r\n\r\nx", false), "408");
    EXPECT_EQ(ask(sized + "7\r\n\r\nxxxxxxx", true), "413");
    EXPECT_EQ(ask(chunked + "c\r\nxxxxxxxxxxxx\r\n", false), "413");
    EXPECT_EQ(ask("GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n", true), "426");
    static_cast<void>(ask("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n", true));  // the exception may end the join earlier
    const auto samples = samples_in(counters.text());
    for (const auto& [code, count] :
         std::map<std::string, double>{{"400", 2}, {"408", 1}, {"413", 2}, {"426", 1}, {"500", 1}}) {
        const auto name = "http_requests_total{code=\"" + code + "\"}";
        EXPECT_EQ(samples.contains(name) ? samples.at(name) : 0, count) << name;
    }
    EXPECT_EQ(samples.at("http_requests_in_progress"), 0);
    EXPECT_EQ(samples.at("http_request_duration_seconds_count"), 7);
}

TEST(HttpMetrics, CancelledRequestsAndRuntimesAreCounted) {
    eddy::runtime runtime = eddy::runtime::builder().worker_threads(2).build().value();
    const http::metrics counters;
    eddy::sync::notify begun;
    const http::service app = [&begun](http::request) -> task<http::response> {
        begun.notify_one();
        co_await eddy::pending<void>();
        co_return http::response();
    };
    const auto script = [&]() -> task<std::string> {
        {
            auto [near, far] = io::duplex(4096);
            static_cast<void>(co_await io::write_all(near, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
            auto serving = http::serve_connection(std::move(far), app, http::serve_options().metrics(counters));
            auto first = eddy::select(std::move(serving), begun.notified());
            const auto ended = co_await first;
            EXPECT_EQ(ended.index(), 1U);
        }
        co_return counters.text();
    };
    const auto text = runtime.block_on(script());
    const auto samples = samples_in(text);
    EXPECT_EQ(samples.at("http_requests_total{code=\"499\"}"), 1) << text;
    EXPECT_EQ(samples.at("http_requests_in_progress"), 0);
    const auto pool = "executor=\"pool-" + std::to_string(runtime.handle().id()) + "\"";
    EXPECT_EQ(samples.at("eddy_workers{" + pool + "}"), 2);
    EXPECT_TRUE(samples.contains("eddy_worker_busy_seconds_total{" + pool + ",worker=\"1\"}"));
}

}  // namespace
