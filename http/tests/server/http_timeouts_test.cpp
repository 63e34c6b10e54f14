// SPDX-License-Identifier: MIT
// The time limits of the server of eddy::http for each direction, on a paused clock.
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "support/http/http_conversation.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using client = support::text_client;
using eddy::time::clock;
using support::converse;
using support::get;
using support::ok;
using support::say_body;
using support::say_path;
using support::statuses;
namespace http = eddy::http;

const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What a client receives until the end of its connection, and how long that takes.
struct ending {
    std::string received;
    std::chrono::duration<double> after{};
};

/// Sends `first`, and then `each` every `pause`, until the server ends the connection, or for an hour.
ending send_slowly(const http::service& app, const http::serve_options& options, std::string first, std::string each,
                   std::chrono::milliseconds pause) {
    ending seen;
    static_cast<void>(converse(app, options, [&](client& one) -> task<void> {
        const auto begin = clock::now();
        static_cast<void>(co_await one.send(first));
        auto receiving = eddy::spawn(one.receive_all());
        while (!receiving.is_finished() && clock::now() - begin < 1h) {
            co_await eddy::time::sleep(pause);
            if (!receiving.is_finished() && !each.empty()) static_cast<void>(co_await one.send(each));
        }
        seen.after = clock::now() - begin;
        if (!receiving.is_finished()) {
            receiving.abort();
            static_cast<void>(co_await std::move(receiving));
        } else {
            seen.received = (co_await std::move(receiving)).value();
        }
    }));
    return seen;
}

TEST(HttpTimeouts, FirstByteOfConnectionHasHeaderTimeout) {
    const auto seen = send_slowly(say_path, http::serve_options(), "", "", 100ms);
    EXPECT_EQ(seen.received, "");
    EXPECT_NEAR(seen.after.count(), 10, 0.2);
    const auto shorter = send_slowly(say_path, http::serve_options().header_timeout(3s), "", "", 100ms);
    EXPECT_NEAR(shorter.after.count(), 3, 0.2);
}

TEST(HttpTimeouts, FirstHeadIsLimitedFromTheStartOfConnection) {
    const auto outcome = converse(say_path, http::serve_options(), [](client& one) -> task<void> {
        const auto begin = clock::now();
        co_await eddy::time::sleep(8s);
        EXPECT_TRUE(co_await one.send("GET / HTTP"));
        EXPECT_EQ(statuses(co_await one.receive_all()), "408");
        EXPECT_GE(clock::now() - begin, 10s);
        EXPECT_LT(clock::now() - begin, 10s + 100ms);
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpTimeouts, LaterHeadsAreLimitedFromTheirFirstByte) {
    const auto outcome = converse(say_path, http::serve_options(), [](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(get("/a")));
        EXPECT_EQ(co_await one.receive("/a"), ok("/a"));
        co_await eddy::time::sleep(1min);
        const auto begin = clock::now();
        EXPECT_TRUE(co_await one.send("GET / HTTP"));
        EXPECT_EQ(statuses(co_await one.receive_all()), "408");
        EXPECT_GE(clock::now() - begin, 10s);
        EXPECT_LT(clock::now() - begin, 10s + 100ms);
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpTimeouts, SilentBodyGets408AfterIoTimeout) {
    const auto seen = send_slowly(say_body, http::serve_options(), chunked + "5\r\nhel", "", 100ms);
    EXPECT_EQ(statuses(seen.received), "408");
    EXPECT_NEAR(seen.after.count(), 30, 0.2);
}

TEST(HttpTimeouts, TrailerSectionHasHeaderTimeout) {
    for (const std::string begin : {"0\r\n", "0\r\nX: ", "0\r\nX: y\r\n"}) {
        const auto slow = send_slowly(say_body, http::serve_options(), chunked + begin + "a", "b", 1s);
        EXPECT_EQ(statuses(slow.received), "408") << begin;
        EXPECT_NEAR(slow.after.count(), 10, 1) << begin;
        const auto silent = send_slowly(say_body, http::serve_options(), chunked + begin, "", 100ms);
        EXPECT_EQ(statuses(silent.received), "408") << begin;
        EXPECT_NEAR(silent.after.count(), 10, 0.2) << begin;
    }
}

TEST(HttpTimeouts, BodyBelowMinimumRateGets408) {
    // A byte each second: 240 bytes per second would permit a further second after 240 bytes.
    const auto slow = send_slowly(say_body, http::serve_options(), chunked, "1\r\nx\r\n", 1s);
    EXPECT_EQ(statuses(slow.received), "408");
    EXPECT_NEAR(slow.after.count(), 30, 1.5);
    // 100 bytes each second, of which each second takes a tenth: 30 s / (1 - 0.1).
    const std::string hundred = "64\r\n" + std::string(100, 'x') + "\r\n";
    const auto faster = send_slowly(say_body, http::serve_options().min_body_rate(1000), chunked, hundred, 1s);
    EXPECT_EQ(statuses(faster.received), "408");
    EXPECT_NEAR(faster.after.count(), 33, 2.5);
}

TEST(HttpTimeouts, BodyAboveMinimumRateIsReceived) {
    const auto fast = http::serve_options().min_body_rate(50);
    const std::string hundred = "64\r\n" + std::string(100, 'x') + "\r\n";
    for (const auto& options : {fast, http::serve_options().min_body_rate(0)}) {
        const auto seen = send_slowly(say_body, options, chunked, hundred, 1s);
        EXPECT_EQ(seen.received, "");
        EXPECT_GE(seen.after, 1h);
    }
}

TEST(HttpTimeouts, BodyAboveBodyTimeoutGets408) {
    const std::string hundred = "64\r\n" + std::string(100, 'x') + "\r\n";
    const auto options = http::serve_options().body_timeout(100s).min_body_rate(1);
    const auto whole = send_slowly(say_body, options, chunked, hundred, 1s);
    EXPECT_EQ(statuses(whole.received), "408");
    EXPECT_NEAR(whole.after.count(), 100, 1.5);
    // It also ends a wait that io_timeout() would permit, and one without a minimum rate.
    for (const auto rate : {std::uint64_t{0}, std::uint64_t{240}}) {
        const auto silent = send_slowly(say_body, http::serve_options().body_timeout(5s).min_body_rate(rate),
                                        chunked + "5\r\nhel", "", 100ms);
        EXPECT_EQ(statuses(silent.received), "408");
        EXPECT_NEAR(silent.after.count(), 5, 0.2);
    }
}

TEST(HttpTimeouts, BodyTimeoutBeginsAnewForEachRequest) {
    const auto outcome = converse(say_body, http::serve_options().body_timeout(5s), [](client& one) -> task<void> {
        for (int i = 0; i < 3; ++i) {
            EXPECT_TRUE(co_await one.send(chunked + "1\r\nx\r\n"));
            co_await eddy::time::sleep(4s);
            EXPECT_TRUE(co_await one.send("1\r\ny\r\n0\r\n\r\n"));
            EXPECT_EQ(co_await one.receive("xy"), ok("xy"));
        }
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpTimeouts, TimeOfSlowServiceDoesNotCountForItsClient) {
    const auto app = [](http::request asked) -> task<eddy::result<http::response>> {
        co_await eddy::time::sleep(10min);
        co_return co_await say_body(std::move(asked));
    };
    const auto outcome = converse(app, http::serve_options().body_timeout(10s), [](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(chunked + "1\r\nx\r\n"));
        co_await eddy::time::sleep(10min + 5s);
        EXPECT_TRUE(co_await one.send("1\r\ny\r\n0\r\n\r\n"));
        EXPECT_EQ(co_await one.receive("xy"), ok("xy"));
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpTimeouts, WaitForBodyEndsWhenItsBytesArrive) {
    const auto app = [](http::request asked) -> task<eddy::result<http::response>> {
        std::array<std::byte, 10> some{};
        auto limited = eddy::time::timeout(1s, eddy::io::read(asked.body, some));
        const auto count = co_await limited;
        EXPECT_FALSE(count.has_value());  // this read was dropped
        co_await eddy::time::sleep(10min);
        co_return co_await say_body(std::move(asked));
    };
    const auto outcome = converse(app, http::serve_options(), [](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(chunked));
        co_await eddy::time::sleep(2s);
        EXPECT_TRUE(co_await one.send("1\r\nx\r\n"));
        co_await eddy::time::sleep(10min + 5s);
        EXPECT_TRUE(co_await one.send("1\r\ny\r\n0\r\n\r\n"));
        EXPECT_EQ(co_await one.receive("xy"), ok("xy"));
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpTimeouts, DiscardedBodyIsLimitedAsAWhole) {
    const auto seen = send_slowly(say_path, http::serve_options(),
                                  "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n", "x", 1s);
    EXPECT_EQ(seen.received, ok("/a"));
    EXPECT_NEAR(seen.after.count(), 30 + 2, 2);  // and the time of the graceful close
}

TEST(HttpTimeouts, TimeOfDiscardedBodyDoesNotCountForTheNextHead) {
    const auto options = http::serve_options().io_timeout(5s).header_timeout(20s);
    static_cast<void>(converse(say_path, options, [](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"));
        EXPECT_EQ(co_await one.receive("\r\n\r\n/a"), ok("/a"));
        co_await eddy::time::sleep(4s);
        EXPECT_TRUE(co_await one.send("xyzGET /b HTTP/1.1\r\n"));
        co_await eddy::time::sleep(4s);
        EXPECT_TRUE(co_await one.send("Host: a\r\n\r\n"));
        EXPECT_EQ(co_await one.receive("\r\n\r\n/b"), ok("/b"));
    }));
}

TEST(HttpTimeouts, ReaderThatAcceptsNothingIsClosedAfterIoTimeout) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(1'000'000, 'x'));
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = eddy::io::duplex(64 * 1024);
        const auto begin = clock::now();
        client one(std::move(near));
        EXPECT_TRUE(co_await one.send(get("/")));
        static_cast<void>(co_await http::serve_connection(std::move(far), app));
        EXPECT_GE(clock::now() - begin, 30s);
        EXPECT_LT(clock::now() - begin, 30s + 3s);
    });
}

TEST(HttpTimeouts, LimitOfBodyHoldsForAllChunks) {
    const auto limited = http::serve_options().body_limit(10);
    const auto answer_to = [&](const std::string& body) {
        return statuses(support::answers(say_body, chunked + body, limited));
    };
    EXPECT_EQ(answer_to("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"), "200");
    EXPECT_EQ(answer_to("6\r\nhello \r\n6\r\nworld!\r\n0\r\n\r\n"), "413");
    EXPECT_EQ(answer_to("1\r\nx\r\na\r\n0123456789\r\n0\r\n\r\n"), "413");
    std::string bytes;
    for (int i = 0; i < 11; ++i) bytes += "1\r\nx\r\n";
    EXPECT_EQ(answer_to(bytes + "0\r\n\r\n"), "413");
}

TEST(HttpTimeouts, LimitsHoldForEachRequestOfConnection) {
    // The limits of one request are summed over its parts, and begin anew for the next.
    const auto limited = http::serve_options().body_limit(10).max_headers(3).header_limit(200);
    const std::string fields = "X: " + std::string(50, 'x') + "\r\n";
    std::string all;
    for (int i = 0; i < 20; ++i) all += get("/", fields) + chunked + "a\r\n0123456789\r\n0\r\n\r\n";
    const auto got = statuses(support::answers(say_body, all, limited));
    EXPECT_EQ(got.size(), 40U * 4 - 1) << got;
    EXPECT_FALSE(got.contains("4")) << got;
    EXPECT_EQ(statuses(support::answers(say_body, get("/", fields + fields + fields), limited)), "431");
    EXPECT_EQ(statuses(support::answers(say_body, get("/", "A: b\r\nA: b\r\nA: b\r\n"), limited)), "431");
}

TEST(HttpTimeouts, LimitOfTrailersHoldsForAllFields) {
    std::string trailers;
    for (int i = 0; i < 100; ++i) trailers += "X: " + std::string(100, 'y') + "\r\n";
    EXPECT_EQ(statuses(support::answers(say_body, chunked + "1\r\nx\r\n0\r\n" + trailers + "\r\n")), "400");
    EXPECT_EQ(statuses(support::answers(say_body, chunked + "1\r\nx\r\n0\r\n" + trailers.substr(0, 5250) + "\r\n")),
              "200");
}

TEST(HttpTimeouts, LeadingZerosOfContentLengthDoNotCount) {
    const auto sized = [](const std::string& length) {
        return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + length + "\r\n\r\nhello";
    };
    EXPECT_EQ(support::answers(say_body, sized(std::string(100, '0') + "5")), ok("hello"));
    EXPECT_EQ(statuses(support::answers(say_body, sized(std::string(100, '0') + "3000000"))), "413");
    EXPECT_EQ(statuses(support::answers(say_body, sized(std::string(100, '9')))), "413");
    EXPECT_EQ(support::answers(say_path, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n"), ok("/"));
}

}  // namespace
