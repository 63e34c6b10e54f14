// SPDX-License-Identifier: MIT
// What the server of eddy::http refuses, its limits, and failures of services and clients.
// covers: P147
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "support/http/http_conversation.hpp"
#include "support/http/http_readers.hpp"
#include "support/poll_once.hpp"
#include "support/throwing_cancel.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using client = support::text_client;
using support::answers;
using support::close_field;
using support::converse;
using support::get;
using support::ok;
using support::post;
using support::say_body;
using support::say_path;
using support::statuses;
using support::stream_body;
namespace http = eddy::http;
namespace io = eddy::io;

// ---- Refusals and limits ----

TEST(HttpServer, ServiceDoesNotSeeBadRequests) {
    int calls = 0;
    const auto app = [&calls](http::request) -> task<http::response> {
        ++calls;
        co_return http::response(http::status::ok);
    };
    const std::pair<std::string, std::string> rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {"GET / HTTP/1.1\nHost: a\n\n", "400"},
        {"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", "501"},
        {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505"},
        {get("/", "Expect: x\r\n"), "417"},
        {get("/" + std::string(20'000, 'x')), "414"},
        {get("/", "X: " + std::string(20'000, 'x') + "\r\n"), "431"},
        {get("/", "Content-Length: 3000000\r\n"), "413"},
        {"\x16\x03\x01", "400"},
    };
    for (const auto& [request, status] : rows) {
        const auto answer = answers(app, request + get("/"));
        EXPECT_EQ(statuses(answer), status) << request;
        EXPECT_NE(answer.find(close_field), std::string::npos) << answer;
    }
    EXPECT_EQ(calls, 0);
}

TEST(HttpServer, RequestsAboveLimitsAreRefused) {
    const auto limited = http::serve_options().header_limit(100).max_headers(2).body_limit(3);
    EXPECT_EQ(statuses(answers(say_path, get("/", "X: y\r\n"), limited)), "200");
    EXPECT_EQ(statuses(answers(say_path, get("/", "X: y\r\nZ: y\r\n"), limited)), "431");
    EXPECT_EQ(statuses(answers(say_path, get("/", "X: " + std::string(100, 'y') + "\r\n"), limited)), "431");
    EXPECT_EQ(statuses(answers(say_body, post("123"), limited)), "200");
    EXPECT_EQ(statuses(answers(say_body, post("1234"), limited)), "413");
    const auto last = http::serve_options().max_requests(2);
    EXPECT_EQ(answers(say_path, get("/a") + get("/b") + get("/c"), last), ok("/a") + ok("/b", close_field));
}

/// Serves requests whose body fails, and returns the statuses, the error of the body, and the reported error.
std::tuple<std::string, std::error_code, std::error_code> failing_body(std::string bytes, bool ends = true) {
    std::string answer;
    std::error_code failure;
    const auto app = [&](http::request asked) -> task<result<http::response>> {
        auto text = co_await asked.body.read_text();
        if (!text) failure = text.error();
        co_return http::response(http::status::ok, co_await try_(std::move(text)));
    };
    const auto outcome = converse(app, http::serve_options().body_limit(10), [&](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(bytes));
        if (ends) co_await one.close();
        answer = co_await one.receive_all();
    });
    return {statuses(answer), failure, outcome ? std::error_code() : outcome.error()};
}

TEST(HttpServer, StatusTellsWhyBodyWasNotReceived) {
    const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string sized = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel";
    // The service returns the error, but the client has caused it, so it is not reported.
    const auto failure = [](const char* status, std::error_code why) {
        return std::tuple(std::string(status), why, std::error_code());
    };
    EXPECT_EQ(failing_body(chunked + "b\r\n"), failure("413", http::errc::body_too_large));
    EXPECT_EQ(failing_body(chunked + "2,x=y\r\n"), failure("400", http::errc::bad_message));
    EXPECT_EQ(failing_body(chunked + "2\r\nx"), failure("400", http::errc::body_too_short));
    EXPECT_EQ(failing_body(sized), failure("400", http::errc::body_too_short));
    EXPECT_EQ(failing_body(sized, false), failure("408", make_error_code(eddy::errc::timed_out)));
}

TEST(HttpServer, ClientThatLeavesDuringEchoIsNotAnError) {
    for (const char* const bytes : {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhi",
                                    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
                                    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx"}) {
        std::string answer;
        const auto outcome = converse(stream_body, http::serve_options(),
                                      [&](client& one) -> task<void> { answer = co_await one.exchange(bytes); });
        EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
        EXPECT_FALSE(answer.ends_with("0\r\n\r\n")) << answer;  // the client notices that it is incomplete
    }
}

TEST(HttpServer, BodyAboveLimitOfServiceGets413) {
    const auto app = [](http::request asked) -> task<result<http::response>> {
        co_return http::response(http::status::ok, co_await try_(asked.body.read_text(3)));
    };
    std::string answer;
    const auto outcome = converse(app, http::serve_options(), [&](client& one) -> task<void> {
        answer = co_await one.exchange(post("123") + post("1234"));
    });
    EXPECT_EQ(statuses(answer), "200,413");
    EXPECT_EQ(outcome, result<void>(std::unexpect, make_error_code(http::errc::body_too_large)));
}

TEST(HttpServer, RefusedRequestsAreReportedToAccessLog) {
    std::vector<std::string> log;
    const auto options = http::serve_options().on_refused([&](const http::refused_request& it) {
        EXPECT_FALSE(it.peer.has_value());
        log.push_back(std::to_string(http::to_int(it.status)) + " " + it.method + " " + it.target);
    });
    const std::pair<std::string, std::string> rows[] = {
        {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400 GET /a"},
        {"\r\nGET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400 GET /a"},
        {"PROPFIND /x?y HTTP/1.1\r\nHost: a\r\n\r\n", "501 PROPFIND /x?y"},
        {"GET /\x01\xff HTTP/1.1\r\nHost: a\r\n\r\n", "400 GET /??"},
        {"\x16\x03\x01", "400  "},
        {get("/b", "X: " + std::string(20'000, 'x') + "\r\n"), "431 GET /b"},
        {get("/" + std::string(20'000, 'x')), "414 GET /" + std::string(199, 'x')},
        {get("/c", "Content-Length: 3000000\r\n"), "413 GET /c"},
        {get("/d", "Expect: x\r\n"), "417 GET /d"},
        {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505 GET /"},
    };
    std::vector<std::string> expected;
    for (const auto& [request, line] : rows) {
        static_cast<void>(answers(say_path, get("/served") + request, options));
        expected.push_back(line);
    }
    const auto outcome = converse(say_path, options, [](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send("GET /slow HTTP/1.1\r\nHo"));
        EXPECT_EQ(statuses(co_await one.receive_all()), "408");
    });
    EXPECT_TRUE(outcome.has_value());
    expected.emplace_back("408 GET /slow");
    EXPECT_EQ(log, expected);
}

TEST(HttpServer, RefusalOfProxyHeaderNamesTheListener) {
    std::vector<std::string> log;
    const auto options = http::serve_options().on_refused([&](const http::refused_request& it) {
        log.push_back(std::to_string(http::to_int(it.status)) + " " + it.method + ": " + std::string(it.note));
    });
    const std::string note =
        "this looks like a PROXY header: serve a net::proxy_listener, or turn the header off in the proxy";
    const std::string binary("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\x30\x39\x1f\x90", 28);
    const std::pair<std::string, std::string> rows[] = {
        {"PROXY TCP4 127.0.0.1 127.0.0.1 12345 80\r\n" + get("/a"), "400 PROXY: " + note},
        {binary + get("/b"), "400 : " + note},
        {"PROXYING /c HTTP/1.1\r\nHost: a\r\n\r\n", "501 PROXYING: "},
        {"GET /PROXY x HTTP/1.1\r\nHost: a\r\n\r\n", "400 GET: "},
    };
    for (const auto& [request, line] : rows) {
        const auto answer = answers(say_path, request, options);
        EXPECT_EQ(log, std::vector{line});
        EXPECT_EQ(answer.contains("Bad Request: " + note + "\n"), line.ends_with(note)) << answer;
        log.clear();
    }
}

TEST(HttpServer, RefusedHeadRequestGetsNoBody) {
    const auto limited = http::serve_options().max_headers(0);
    const auto answer = answers(say_path, "HEAD / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", limited);
    EXPECT_EQ(statuses(answer), "431");
    EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST(HttpServer, BodyThatFailedEndsTheConnection) {
    const auto app = [](http::request asked) -> task<http::response> {
        const auto text = co_await asked.body.read_text();
        co_return http::response(http::status::ok, text ? "complete" : "incomplete");
    };
    const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(answers(app, chunked + "2,x=y\r\nhi\r\n0\r\n\r\n" + get("/")), ok("incomplete", close_field));
}

TEST(HttpServer, SlowHeadGets408) {
    const auto outcome = converse(say_path, http::serve_options(), [](client& one) -> task<void> {
        // The client sends a byte each second, but does not complete the head within the header timeout of 10 s.
        EXPECT_TRUE(co_await one.send(get("/a") + "GET / HTTP"));
        for (int i = 0; i < 9; ++i) {
            co_await eddy::time::sleep(1s);
            EXPECT_TRUE(co_await one.send("/"));
        }
        EXPECT_EQ(co_await one.receive("/a"), ok("/a"));
        const auto before = eddy::time::clock::now();
        EXPECT_EQ(statuses(co_await one.receive_all()), "408");
        EXPECT_LT(eddy::time::clock::now() - before, 5s);
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpServer, ConnectionWithoutProgressIsClosed) {
    const std::string large(1'000'000, 'x');
    const auto app = [&large](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string_view(large));
    };
    const auto outcome = converse(app, http::serve_options(), [](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(get("/")));
        co_await eddy::time::sleep(40s);
        const auto got = co_await one.receive_all();
        EXPECT_LT(got.size(), 200'000U);
        EXPECT_TRUE(got.starts_with("HTTP/1.1 200 OK"));
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpServer, ServeConnectionHasNoIdleTimeout) {
    const auto outcome = converse(say_path, http::serve_options(), [](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(get("/a")));
        EXPECT_EQ(co_await one.receive("/a"), ok("/a"));
        co_await eddy::time::sleep(1h);  // net::serve() closes idle connections
        EXPECT_TRUE(co_await one.send(get("/b")));
        EXPECT_EQ(co_await one.receive("/b"), ok("/b"));
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpServer, ShutdownClosesIdleConnection) {
    const eddy::sync::cancellation_token end;
    const auto outcome = converse(say_path, http::serve_options().shutdown(end), [&](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(get("/a")));
        EXPECT_EQ(co_await one.receive("/a"), ok("/a"));
        end.cancel();
        const auto rest = co_await eddy::time::timeout(1s, one.receive_all());
        EXPECT_EQ(rest, "");
    });
    EXPECT_TRUE(outcome.has_value());
}

// The system resets a TCP connection that is closed with unread bytes, and the client may then lose the response.
TEST(HttpServer, RequestsBehindTheLastResponseAreDiscarded) {
    for (const bool shuts_down : {false, true}) {
        const eddy::sync::cancellation_token end;
        const auto app = [&](http::request) -> task<http::response> {
            if (shuts_down) end.cancel();
            co_return http::response(http::status::ok, "last");
        };
        const auto options = http::serve_options().shutdown(end).max_requests(shuts_down ? 9 : 1);
        const auto outcome = converse(app, options, [&](client& one) -> task<void> {
            EXPECT_TRUE(co_await one.send(get("/")));
            EXPECT_EQ(co_await one.receive("last"), ok("last", close_field));
            EXPECT_TRUE(co_await one.send(get("/next", "X: " + std::string(100'000, 'x') + "\r\n")));
            co_await one.close();
            EXPECT_EQ(co_await one.receive_all(), "");
        });
        EXPECT_TRUE(outcome.has_value());
    }
}

TEST(HttpServer, ConnectionThatTheClientWantsClosedIsClosedAtOnce) {
    for (const auto& request : {get("/", close_field), std::string("GET / HTTP/1.0\r\n\r\n")}) {
        eddy::test::run_paused([&]() -> task<void> {
            auto [near, far] = io::duplex(64 * 1024);
            client one(std::move(near));
            EXPECT_TRUE(co_await one.send(request));
            const auto before = eddy::time::clock::now();
            EXPECT_TRUE((co_await http::serve_connection(std::move(far), say_path)).has_value());
            EXPECT_EQ(eddy::time::clock::now(), before);
        });
    }
}

// ---- Failures ----

TEST(HttpServer, InvalidStatusBecomes500AndIsReported) {
    for (const int status : {0, 100, 101, 199, 1000, 65535}) {
        const auto app = [status](http::request) -> task<http::response> {
            co_return http::response(http::status(status), "x");
        };
        std::string answer;
        const auto script = [&](client& one) -> task<void> { answer = co_await one.exchange(get("/")); };
        EXPECT_THROW(static_cast<void>(converse(app, http::serve_options(), script)), eddy::misuse);
        // The exception ends the join, perhaps before the client has received the answer.
        EXPECT_TRUE(answer.empty() || statuses(answer) == "500") << answer;
    }
}

TEST(HttpServer, ServiceErrorBecomes500AndIsReported) {
    const auto app = [](http::request) -> task<result<http::response>> {
        co_return std::unexpected(std::make_error_code(std::errc::no_space_on_device));
    };
    std::string answer;
    const auto outcome = converse(app, http::serve_options(), [&](client& one) -> task<void> {
        answer = co_await one.exchange(get("/") + get("/"));
    });
    EXPECT_EQ(answer, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n" + close_field + "\r\n");
    EXPECT_EQ(outcome, result<void>(std::unexpect, std::make_error_code(std::errc::no_space_on_device)));
}

TEST(HttpServer, ServiceExceptionBecomes500AndIsRethrown) {
    const auto throws_later = [](http::request) -> task<http::response> {
        co_await eddy::yield_now();
        throw std::runtime_error("x");
    };
    const auto returns_no_task = [](http::request) -> task<http::response> { throw std::runtime_error("x"); };
    for (const auto& app : {http::service(throws_later), http::service(returns_no_task)}) {
        std::string answer;
        const auto script = [&](client& one) -> task<void> { answer = co_await one.exchange(get("/")); };
        // The client ends its requests while the service waits.
        const auto options = http::serve_options().half_close(true);
        EXPECT_THROW(static_cast<void>(converse(app, options, script)), std::runtime_error);
        // The exception ends the join, perhaps before the client has received the answer.
        EXPECT_TRUE(answer.empty() || statuses(answer) == "500") << answer;
    }
}

/// A stream whose next write throws if `fails` is set.
class throwing_stream {
public:
    throwing_stream(io::duplex_stream&& below, bool& fails) noexcept : below_(std::move(below)), fails_(&fails) {}
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        return below_.poll_read(cx, into);
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte> from) {
        if (std::exchange(*fails_, false)) throw std::runtime_error("broken");
        return below_.poll_write(cx, from);
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context& cx) { return below_.poll_flush(cx); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context& cx) { return below_.poll_shutdown(cx); }

private:
    io::duplex_stream below_;
    bool* fails_;
};

TEST(HttpServer, FlushThatThrowsWhileServiceWaitsBecomes500) {
    bool fails = false;
    const auto app = [&](http::request asked) -> task<http::response> {
        if (asked.path() == "/b") {
            fails = true;
            co_await eddy::time::sleep(1s);
        }
        co_return http::response(http::status::ok, std::string(asked.path()));
    };
    std::string answer;
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        client one(std::move(near));
        throwing_stream stream(std::move(far), fails);
        auto serving = eddy::spawn(http::serve_connection(std::move(stream), app, http::serve_options()));
        answer = co_await one.exchange(get("/a") + get("/b") + get("/c"));
        const auto ended = co_await serving;
        EXPECT_TRUE(!ended && ended.error().what().contains("broken"));
    });
    EXPECT_EQ(statuses(answer), "200,500");
}

TEST(HttpServer, ExceptionOfCancelledServiceIsThrownOnce) {
    int asked = 0;
    const auto app = [&](http::request) -> task<http::response> {
        co_await support::throws_when_cancelled(asked);
        co_return http::response();
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        client one(std::move(near));
        EXPECT_TRUE(co_await one.send(get("/")));
        auto serving = http::serve_connection(std::move(far), app);
        EXPECT_FALSE(co_await support::poll_once(serving));
        const auto cancel = [&](eddy::context& cx) { return serving.poll_cancel(cx); };
        bool has_thrown = false;
        try {
            co_await eddy::poll_fn(cancel);
        } catch (const std::runtime_error&) {
            has_thrown = true;
        }
        EXPECT_TRUE(has_thrown);
        co_await eddy::poll_fn(cancel);
    });
    EXPECT_EQ(asked, 1);
}

TEST(HttpServer, FailedResponseBodyLeavesResponseIncomplete) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(support::failing_reader()));
    };
    std::string answer;
    const auto outcome = converse(app, http::serve_options(), [&](client& one) -> task<void> {
        answer = co_await one.exchange(get("/") + get("/"));
    });
    EXPECT_EQ(outcome, result<void>(std::unexpect, std::make_error_code(std::errc::io_error)));
    EXPECT_EQ(answer.find("0\r\n\r\n"), std::string::npos) << answer;  // the client notices that it is incomplete
}

TEST(HttpServer, FailedResponseBodyLosesNoEarlierResponse) {
    const auto throw_after = [](std::string first) -> eddy::async_generator<std::string> {
        co_yield std::move(first);
        throw std::runtime_error("no more");
    };
    http::router app;
    app.get("/a", say_path).post("/", stream_body);
    app.get("/fails", [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(support::failing_reader()));
    });
    app.get("/throws", [throw_after](http::request) -> task<http::response> {
        auto body = http::body::from_reader(io::stream_reader(throw_after("text")));
        co_return http::response(http::status::ok, std::move(body));
    });
    const std::string streamed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    const auto outcome_of = [&](std::string requests, std::string& responses) {
        return converse(app, http::serve_options(),
                        [&](client& one) -> task<void> { responses = co_await one.exchange(requests); });
    };
    std::string responses;
    EXPECT_FALSE(outcome_of(get("/a") + get("/fails") + get("/a"), responses));
    EXPECT_EQ(responses, ok("/a") + streamed + "a\r\nxxxxxxxxxx\r\n");
    EXPECT_THROW(static_cast<void>(outcome_of(get("/a") + get("/throws") + get("/a"), responses)), std::runtime_error);
    const std::string invalid = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nx";
    EXPECT_TRUE(outcome_of(get("/a") + invalid, responses));  // the fault of the client
    EXPECT_EQ(responses, ok("/a") + streamed + "2\r\nhi\r\n");
    // The end of the connection would be the end of the body.
    EXPECT_FALSE(outcome_of("GET /fails HTTP/1.0\r\n\r\n", responses));
    EXPECT_EQ(responses, "");
}

TEST(HttpServer, ClientThatLeavesIsNotAnError) {
    EXPECT_EQ(answers(say_path, ""), "");
    EXPECT_EQ(answers(say_path, "GET / HT"), "");
    EXPECT_EQ(answers(say_path, get("/a") + "GET / HT"), ok("/a"));
    const auto outcome = converse(
        say_path, http::serve_options(),
        [](client& one) -> task<void> {
            static_cast<void>(co_await one.send(get("/" + std::string(1000, 'a')).substr(0, 500)));
        },
        100);
    EXPECT_TRUE(outcome.has_value());
}

}  // namespace
