// SPDX-License-Identifier: MIT
// How long an HTTP/1.1 server waits for its client after the last response, and when it notices that the client has
// gone, in memory and on a paused clock.
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/http/http_conversation.hpp"
#include "support/http/http_readers.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using client = support::text_client;
using eddy::time::clock;
using support::get;
using support::post;
using support::statuses;
namespace http = eddy::http;
namespace io = eddy::io;

const std::string close_field = "Connection: close\r\n";

task<http::response> app(http::request asked) {
    if (asked.path() == "/throw") throw std::runtime_error("no");
    http::response answer(http::status::ok, "hello");
    if (asked.path() == "/close") answer.headers.add("Connection", "close");
    if (asked.path() == "/cut") answer.body = http::body::from_reader(support::failing_reader());
    co_return answer;
}

/// What a client gets that does not close the connection, and how long the server keeps that.
struct ending {
    std::string statuses;
    eddy::time::duration kept{};
};
ending end_of(std::string sent, http::serve_options options) {
    return eddy::test::run_paused([&]() -> task<ending> {
        auto [near, far] = io::duplex(64 * 1024);
        client one(std::move(near));
        ending seen;
        const auto begin = clock::now();
        const auto play = [&]() -> task<bool> {
            EXPECT_TRUE(co_await one.send(sent));
            seen.statuses = statuses(co_await one.receive_all());
            EXPECT_EQ(clock::now(), begin) << "the response does not wait";
            co_return true;
        };
        auto serving = [&]() -> task<bool> {
            try {
                static_cast<void>(co_await http::serve_connection(std::move(far), app, options));
            } catch (const std::runtime_error&) {
                co_return false;
            }
            co_return true;
        };
        auto both = eddy::join(serving(), play());
        static_cast<void>(co_await both);
        seen.kept = clock::now() - begin;
        co_return seen;
    });
}

TEST(HttpServer, LingersIfItsClientMayStillSend) {
    struct test_case {
        std::string sent;
        std::string statuses;
        bool lingers;
        std::uint64_t requests = 100;
    };
    const std::string announced = "POST / HTTP/1.1\r\nHost: a\r\n" + close_field + "Content-Length: 300\r\n\r\n";
    const std::vector<test_case> cases = {
        {get("/", close_field), "200", false},
        {"GET / HTTP/1.0\r\n\r\n", "200", false},
        {post("body", close_field), "200", false},
        {get("/", close_field) + "x", "200", true},  // a reset would take the response
        {get("/", close_field) + get("/"), "200", true},
        {get("/") + get("/", close_field) + get("/"), "200,200", true},
        {get("/"), "200", true, 1},  // the client does not know that it is the last one
        {get("/") + get("/"), "200,200", true, 2},
        {get("/", close_field), "200", false, 1},
        {get("/close"), "200", true},
        {announced, "200", true},  // the body follows
        {announced + std::string(299, 'x'), "200", true},
        {announced + std::string(300, 'x'), "200", false},
        {get("/throw"), "500", true},
        {get("/throw", close_field), "500", false},
        {get("/cut"), "200", true},
        {get("/cut", close_field), "200", true},
        {"GET /cut HTTP/1.0\r\n\r\n", "", false},  // its end must not look complete
        {"GET\r\n\r\n", "400", true},
        {get("/") + "BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "200,501", true},
    };
    for (const auto& [sent, expected, lingers, requests] : cases) {
        const auto seen = end_of(sent, http::serve_options().max_requests(requests));
        EXPECT_EQ(seen.statuses, expected) << sent;
        EXPECT_EQ(seen.kept, lingers ? 2s : 0s) << sent;
    }
}

TEST(HttpServer, UnreadBodyInChunksIsDiscardedUpToALimit) {
    constexpr std::size_t most = 256 * 1024;
    for (const std::size_t size : {most, most + 1}) {
        std::string body;
        for (std::size_t left = size; left != 0;) {
            const auto part = std::min<std::size_t>(left, 16);
            body += (part == 16 ? "10" : std::to_string(part)) + "\r\n" + std::string(part, 'x') + "\r\n";
            left -= part;
        }
        const auto sent =
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body + "0\r\n\r\n" + get("/b");
        EXPECT_EQ(statuses(support::answers(app, sent)), size == most ? "200,200" : "200") << size;
    }
}

TEST(HttpServer, LingeringEndsWithTheClient) {
    eddy::test::run_paused([]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        client one(std::move(near));
        const auto begin = clock::now();
        const auto play = [&]() -> task<bool> {
            EXPECT_TRUE(co_await one.send(get("/close")));
            EXPECT_EQ(statuses(co_await one.receive_all()), "200");
            co_await eddy::time::sleep(1s);
            EXPECT_TRUE(co_await one.send("more"));
            co_await one.close();
            co_return true;
        };
        auto both = eddy::join(http::serve_connection(std::move(far), app), play());
        static_cast<void>(co_await both);
        EXPECT_EQ(clock::now() - begin, 1s);
    });
}

// The connection receives up to 64 KiB ahead, and then waits until the reader has made room.
TEST(HttpServer, ClientThatLeavesIsNoticedAfterRoomWasMade) {
    for (const bool resets : {false, true}) {
        eddy::time::duration cancelled_after{};
        std::size_t received = 0;
        eddy::test::run_paused([&]() -> task<void> {
            const auto begin = clock::now();
            struct mark {
                eddy::time::duration& at;
                eddy::time::time_point since;
                ~mark() { at = clock::now() - since; }
            };
            const auto read_slowly = [&received](http::body from) -> task<void> {
                std::array<std::byte, 1000> some{};
                for (;;) {
                    const auto count = co_await io::read(from, some);
                    if (!count || *count == 0) co_return;
                    received += *count;
                    co_await eddy::time::sleep(10ms);
                }
            };
            const auto service = [&](http::request asked) -> task<http::response> {
                const mark at_end{cancelled_after, begin};
                auto reading = eddy::spawn(read_slowly(std::move(asked.body)));
                co_await eddy::time::sleep(1h);
                static_cast<void>(co_await std::move(reading));
                co_return http::response(http::status::ok);
            };
            auto [near, far] = io::duplex(16 * 1024);
            const auto play = [&]() -> task<bool> {
                std::optional<client> one(std::move(near));
                EXPECT_TRUE(co_await one->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" +
                                               std::string(150'000, 'x')));
                if (!resets) co_await one->close();
                if (!resets) static_cast<void>(co_await one->receive_all());
                co_return true;
            };
            auto both = eddy::join(http::serve_connection(std::move(far), service), play());
            static_cast<void>(co_await both);
        });
        EXPECT_GE(received, 150'000 - 64 * 1024 - 16 * 1024U);
        // 85 reads make room for the rest. All 150 of them take 1.5 s.
        EXPECT_GE(cancelled_after, 700ms);
        EXPECT_LT(cancelled_after, 1100ms) << "the connection did not receive when there was room";
    }
}

}  // namespace
