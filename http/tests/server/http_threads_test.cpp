// SPDX-License-Identifier: MIT
// The server and the client of eddy::http on several threads. Most tests of one thread are in other files,
// which ThreadSanitizer does not run.
// runs: tsan
#include <eddy/http.hpp>

#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <future>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "support/http/http_server.hpp"
#include "support/net.hpp"

namespace {

using eddy::task;
using eddy::sync::cancellation_token;
namespace http = eddy::http;
namespace net = eddy::net;

task<http::response> say_path(http::request asked) {
    co_return http::response(http::status::ok, std::string(asked.path()));
}

// covers: P147
TEST(HttpServe, StressServesManyConnectionsOnSeveralThreads) {
    eddy::runtime pool(eddy::runtime::builder().worker_threads(2).build().value());
    const auto all = pool.block_on([]() -> task<std::uint64_t> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto address = listener.local_addr().value();
        const cancellation_token end;
        auto server = eddy::spawn(http::serve(std::move(listener), say_path, http::serve_options().shutdown(end)));
        const auto talk = [](net::socket_addr to) -> task<std::uint64_t> {
            auto client = (co_await net::tcp_stream::connect(to)).value();
            std::uint64_t answers = 0;
            for (int i = 0; i < 20; ++i) {
                (co_await client.write_all(std::string("GET /x HTTP/1.1\r\nHost: a\r\n\r\n"))).value();
                std::string answer;
                while (!answer.ends_with("\r\n\r\n/x")) {
                    std::string one(1, ' ');
                    (co_await client.read_exact(std::as_writable_bytes(std::span(one)))).value();
                    answer += one;
                }
                if (answer.starts_with("HTTP/1.1 200 OK")) ++answers;
            }
            co_return answers;
        };
        eddy::join_set<std::uint64_t> clients;
        for (int i = 0; i < 20; ++i) clients.spawn(talk(address));
        std::uint64_t sum = 0;
        while (auto one = co_await clients.join_next()) sum += one->value();
        end.cancel();
        const auto report = co_await std::move(server);
        EXPECT_EQ(report.value().value().accepted, 20U);
        co_return sum;
    }());
    EXPECT_EQ(all, 400U);
}

/// Serves on a free port on a thread of its own. Returns the URL.
class background_server {
public:
    explicit background_server(http::service app)
        : thread_([this, app = std::move(app)] {
              eddy::core loop;
              const auto play = [&](net::socket_addr at, const cancellation_token&) -> task<void> {
                  url_.set_value("http://" + at.to_string());
                  co_await end_.notified();
              };
              loop.run(support::serve_http_during(app, http::serve_options(), play));
          }) {}
    background_server(const background_server&) = delete;
    background_server& operator=(const background_server&) = delete;
    ~background_server() { end_.notify_one(); }

    [[nodiscard]] std::string url() { return url_.get_future().get(); }

private:
    std::promise<std::string> url_;
    eddy::sync::notify end_;
    std::jthread thread_;
};

// covers: S66
TEST(HttpGet, OneOffReturnsStatusHeadersAndBody) {
    http::router app;
    app.get("/found", [](http::request asked) -> task<http::response> {
        auto answer = http::response::text("hello");
        answer.headers.add("X-Agent", asked.headers.get("User-Agent").value_or("none"));
        co_return answer;
    });
    app.get("/chunked", [](http::request) -> task<http::response> {
        auto parts = eddy::io::cursor<std::string>(std::string(100'000, 'x'));
        co_return http::response(http::status::created, http::body::from_reader(std::move(parts)));
    });
    background_server server(app);
    const auto url = server.url();

    eddy::core core;
    auto found = core.run(http::get(url + "/found"));
    ASSERT_TRUE(found.has_value()) << found.error().message();
    EXPECT_EQ(found->status, http::status::ok);
    EXPECT_EQ(found->headers.get("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(found->headers.get("X-Agent"), "eddy");
    EXPECT_EQ(core.run(found->body.read_text()).value(), "hello");

    auto chunked = core.run(http::get(url + "/chunked"));
    ASSERT_TRUE(chunked.has_value()) << chunked.error().message();
    EXPECT_EQ(chunked->status, http::status::created);
    EXPECT_EQ(chunked->headers.get("Transfer-Encoding"), "chunked");
    EXPECT_EQ(core.run(chunked->body.read_text()).value(), std::string(100'000, 'x'));

    auto missing = core.run(http::get(url + "/none"));  // a status is not an error
    EXPECT_EQ(missing.value().status, http::status::not_found);
}

// covers: S66
TEST(HttpGet, OneOffReportsRefusedConnection) {
    const auto closed = support::closed_addr().to_string();
    eddy::core core;
    const auto refused = core.run(http::get("http://" + closed + "/"));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().phase(), http::phase::connect);
    EXPECT_EQ(refused.error().where(), closed);
    EXPECT_EQ(refused.error().code(), std::errc::connection_refused);
}

// covers: S66
TEST(HttpClient, EachEventLoopHasItsOwnConnections) {
    net::serve_report report;
    std::promise<std::string> url;
    eddy::sync::notify end;
    std::jthread server([&] {
        eddy::core loop;
        const auto play = [&](net::socket_addr at, const cancellation_token&) -> task<void> {
            url.set_value("http://" + at.to_string());
            co_await end.notified();
        };
        report = loop.run(support::serve_http_during(say_path, http::serve_options(), play));
    });
    const auto page = url.get_future().get() + "/hello";
    const http::client web;
    const auto fetch = [&]() -> task<std::string> {
        auto answer = co_await web.get(page);
        if (!answer) co_return answer.error().message();
        const auto text = co_await answer->body.read_text();
        co_return std::to_string(http::to_int(answer->status)) + " " + text.value();
    };
    eddy::core first;
    eddy::core second;
    for (eddy::core* const loop : {&first, &second, &first, &second}) EXPECT_EQ(loop->run(fetch()), "200 /hello");
    end.notify_one();
    server.join();
    EXPECT_EQ(report.accepted, 2U);
}

}  // namespace
