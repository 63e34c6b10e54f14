// SPDX-License-Identifier: MIT
// Repeated requests of the client of eddy::http, by client_options::retries(). http_retries_test.cpp has the decisions.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/proto.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/http/http_answers.hpp"
#include "support/http/http_proxy.hpp"
#include "support/net.hpp"

namespace {

using support::status_and_text_of;

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const std::string busy = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy";

http::client_options quick(std::size_t most = 3) {
    const auto delays = eddy::time::backoff(1ms).max_retries(most);
    return http::client_options()
        .proxies(http::proxies::none())
        .timeout(20s)
        .retries(eddy::proto::retry_policy(delays));
}

/// A delay of an hour.
eddy::time::backoff hours() { return eddy::time::backoff(1h).max_delay(1h).jitter(0); }

/// Answers each request with the next of these texts, which ends the connection if it is empty. Keeps the heads and the
/// bodies of requests.
struct scripted_server {
    std::vector<std::string> answers;
    std::vector<std::string> requests;
    eddy::sync::notify ended;  // a client has ended a connection

    template <class Script>
    void during(Script script) {
        eddy::core loop;
        loop.run(run(script));
    }

private:
    template <class Script>
    task<void> run(Script& script) {
        auto bound = co_await net::tcp_listener::bind("127.0.0.1:0");
        auto listener = std::move(bound).value();
        const auto url = "http://" + listener.local_addr().value().to_string() + "/";
        const auto handler = [this](net::tcp_stream from) { return serve(std::move(from)); };
        const auto options = net::serve_options().on_error([](const auto&) {});
        auto serving = eddy::spawn(net::serve(std::move(listener), handler, options));
        co_await script(url);
        serving.abort();
        static_cast<void>(co_await std::move(serving));
    }
    task<result<void>> serve(net::tcp_stream from) {
        for (;;) {
            std::string all;
            while (!is_whole(all)) {
                std::array<char, 4096> some{};
                const auto count = co_await try_(io::read(from, some));
                if (count == 0) {
                    ended.notify_one();
                    co_return eddy::ok();
                }
                all.append(some.data(), count);
            }
            requests.push_back(all.substr(0, all.find(' ')) + " " + all.substr(all.find("\r\n\r\n") + 4));
            if (answers.empty()) co_return eddy::ok();
            const auto next = answers.front();
            answers.erase(answers.begin());
            if (next.empty()) co_return eddy::ok();
            co_await try_(io::write_all(from, next));
        }
    }
    static bool is_whole(std::string_view text) {
        const auto end = text.find("\r\n\r\n");
        if (end == std::string_view::npos) return false;
        const bool has_body = text.contains("\r\nContent-Length: 4\r\n");
        return text.size() == end + 4 + (has_body ? 4U : 0U);
    }
};

using texts = std::vector<std::string>;

TEST(HttpRetriesClient, IdempotentRequestIsRepeatedIfConnectionEnds) {
    scripted_server server;
    server.answers = {"", "", "", ok};
    server.during([](std::string url) -> task<void> {
        EXPECT_EQ(co_await status_and_text_of(http::client(quick()).put(url, "a/b", "body")), "200 ok");
    });
    EXPECT_EQ(server.requests, texts(4, "PUT body"));
    server.requests.clear();
    server.answers = {"", "", "", ok};
    server.during([](std::string url) -> task<void> {
        const auto answer = co_await http::client(quick(2)).get(url);
        EXPECT_EQ(answer.error().phase(), http::phase::receive);
        EXPECT_EQ(answer.error().code(), eddy::errc::unexpected_eof);
    });
    EXPECT_EQ(server.requests, texts(3, "GET "));
}

TEST(HttpRetriesClient, PostIsNotRepeatedIfItMayHaveArrived) {
    scripted_server server;
    server.answers = {"", ok};
    server.during([](std::string url) -> task<void> {
        const auto answer = co_await http::client(quick()).post(url, "a/b", "body");
        EXPECT_EQ(answer.error().code(), eddy::errc::unexpected_eof);
    });
    EXPECT_EQ(server.requests, texts{"POST body"});
}

TEST(HttpRetriesClient, BusyServerGetsRequestAgainIfPermitted) {
    scripted_server server;
    server.answers = {busy, busy, ok};
    server.during([](std::string url) -> task<void> {
        EXPECT_EQ(co_await status_and_text_of(http::client(quick().retry_after(1s)).post(url, "a/b", "body")),
                  "200 ok");
    });
    EXPECT_EQ(server.requests, texts(3, "POST body"));
    server.answers = {busy, busy, busy, ok};
    server.during([](std::string url) -> task<void> {
        EXPECT_EQ(co_await status_and_text_of(http::client(quick()).get(url)), "503 busy");
        EXPECT_EQ(co_await status_and_text_of(http::client(quick(1).retry_after(1s)).get(url)), "503 busy");
    });
    EXPECT_EQ(server.answers, texts{ok});
}

TEST(HttpRetriesClient, BodyOfReaderIsNotRepeatedOnceItWasSent) {
    scripted_server server;
    server.answers = {busy, ok};
    server.during([](std::string url) -> task<void> {
        http::request asked(http::method::put);
        asked.body = http::body::from_reader(io::cursor<std::string>("body"), 4);
        EXPECT_EQ(co_await status_and_text_of(http::client(quick().retry_after(1s)).send(url, std::move(asked))),
                  "503 busy");
    });
    EXPECT_EQ(server.requests, texts{"PUT body"});
}

TEST(HttpRetriesClient, RefusedConnectionIsRetriedWithAnyRequest) {
    // A proxy that refuses the first connections; the body is a reader.
    support::http_proxy proxy;
    unsigned refusals = 2;
    proxy.socks.emplace().method = "";  // is not reached
    scripted_server server;
    server.answers = {ok};
    server.during([&](std::string url) -> task<void> {
        const auto accept = proxy.accept;
        proxy.accept = [&](net::tcp_stream from) -> task<result<io::boxed_stream>> {
            if (refusals == 0) {
                proxy.socks = support::socks_replies();
            } else {
                --refusals;
                co_return std::unexpected(make_error_code(std::errc::connection_reset));
            }
            co_return co_await accept(std::move(from));
        };
        const auto run = [&](std::string address) -> task<void> {
            http::request asked(http::method::post);
            asked.body = http::body::from_reader(io::cursor<std::string>("body"), 4);
            const http::client web(quick().proxies(http::proxies::none().for_all("socks5://" + address)));
            EXPECT_EQ(co_await status_and_text_of(web.send(url, std::move(asked))), "200 ok");
        };
        co_await proxy.during(run);
    });
    EXPECT_EQ(server.requests, texts{"POST body"});
    EXPECT_EQ(proxy.connections, 3U);
}

TEST(HttpRetriesClient, DelayThatDoesNotFitIntoTimeoutIsNotAwaited) {
    const auto closed = support::closed_addr().to_string();
    eddy::core loop;
    const auto options = quick().retries(eddy::proto::retry_policy(hours()));
    const auto answer = loop.run(http::client(options).get("http://" + closed + "/"));
    EXPECT_EQ(answer.error().code(), std::errc::connection_refused);
    EXPECT_EQ(answer.error().phase(), http::phase::connect);
    scripted_server server;
    server.answers = {"HTTP/1.1 503 Busy\r\nRetry-After: 30\r\nContent-Length: 4\r\n\r\nbusy"};
    server.during([](std::string url) -> task<void> {
        EXPECT_EQ(co_await status_and_text_of(http::client(quick().retry_after(60s)).get(url)), "503 busy");
    });
}

TEST(HttpRetriesClient, RefusedResponseEndsBeforeTheDelay) {
    scripted_server server;
    server.answers = {"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 100\r\n\r\nbusy"};
    server.during([&](std::string url) -> task<void> {
        const auto options = quick().retries(eddy::proto::retry_policy(hours())).timeout(2h).retry_after(1s);
        auto sending = eddy::spawn(http::client(options).get(url));
        auto ending = eddy::time::timeout(20s, server.ended.notified());
        const auto has_ended = co_await ending;
        EXPECT_TRUE(has_ended);
        sending.abort();
    });
}

TEST(HttpRetriesClient, RedirectsShareTheRepetitions) {
    scripted_server server;
    server.answers = {"", "", "HTTP/1.1 302 Found\r\nLocation: /\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                      "", "", ok};
    server.during([](std::string url) -> task<void> {
        const auto answer = co_await http::client(quick()).get(url);
        EXPECT_FALSE(answer);
    });
    EXPECT_EQ(server.answers, texts{ok});
}

}  // namespace
