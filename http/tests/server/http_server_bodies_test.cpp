// SPDX-License-Identifier: MIT
// The bodies of requests and responses in the server of eddy::http, over connections in memory.
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

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "support/http/http_conversation.hpp"

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
using support::stream_body;
namespace http = eddy::http;
namespace io = eddy::io;

/// Answers with a body of unknown size, after the body of the request was destroyed.
task<http::response> stream_hello(http::request) {
    co_return http::response(http::status::ok, http::body::from_reader(io::cursor(std::string("hello"))));
}
std::string chunked_hello(std::string fields = "") {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + fields + "\r\n5\r\nhello\r\n0\r\n\r\n";
}

TEST(HttpServer, StreamsBodiesOfUnknownSizeInChunks) {
    EXPECT_EQ(answers(stream_hello, get("/") + get("/")), chunked_hello() + chunked_hello());
    EXPECT_EQ(answers(stream_hello, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
}

TEST(HttpServer, ReceivesLargeBodies) {
    const std::string large(1'000'000, 'x');
    const auto size = [](http::request asked) -> task<result<http::response>> {
        const auto all = co_await try_(asked.body.read_all());
        co_return http::response(http::status::ok, std::to_string(all.size()));
    };
    EXPECT_EQ(answers(size, post(large) + get("/")), ok("1000000") + ok("0"));
    std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (int i = 0; i < 1000; ++i) chunked += "3e8\r\n" + std::string(1000, 'y') + "\r\n";
    EXPECT_EQ(answers(size, chunked + "0\r\nX: y\r\n\r\n" + get("/")), ok("1000000") + ok("0"));
}

TEST(HttpServer, StreamsRequestBodyIntoResponse) {
    const std::string large(300'000, 'x');
    EXPECT_TRUE(answers(stream_body, post(large) + post("y")) == ok(large) + ok("y"));
    EXPECT_EQ(
        answers(stream_body, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
}

TEST(HttpServer, ServiceReadsBodyBeforeItIsComplete) {
    const auto app = [](http::request asked) -> task<result<http::response>> {
        std::array<std::byte, 1> first{};
        static_cast<void>(co_await try_(io::read(asked.body, first)));
        co_return http::response(http::status::ok, "first");
    };
    const auto outcome = converse(app, http::serve_options(), [&](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nx"));
        EXPECT_EQ(co_await one.receive("first"), ok("first"));
        EXPECT_TRUE(co_await one.send("yz" + get("/")));  // the rest is discarded
        EXPECT_EQ(co_await one.receive("first"), ok("first"));
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpServer, SendsContinueWhenServiceReadsBody) {
    const std::string expects = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    for (const http::service& app : {http::service(say_body), http::service(stream_body)}) {
        const auto outcome = converse(app, http::serve_options(), [&](client& one) -> task<void> {
            EXPECT_TRUE(co_await one.send(expects));
            EXPECT_EQ(co_await one.receive(go_on), go_on);
            EXPECT_TRUE(co_await one.send("hi"));
            const auto answer = co_await one.receive("hi");
            EXPECT_TRUE(answer.ends_with("\r\n\r\nhi")) << answer;
        });
        EXPECT_TRUE(outcome.has_value());
    }
    EXPECT_EQ(answers(say_path, expects), ok("/", close_field));  // the service does not read the body
    EXPECT_EQ(answers(say_body, expects + "hi"), ok("hi"));       // the client does not wait for "100 Continue"
}

TEST(HttpServer, SendsNoContinueForBodyThatNobodyCanRead) {
    const std::string expects = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    EXPECT_EQ(answers(stream_hello, expects), chunked_hello(close_field));
    const auto without_body = [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::no_content, std::move(asked.body));
    };
    EXPECT_EQ(answers(without_body, expects), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

TEST(HttpServer, SilentClientIsTimedOutWhileTheBodyOfItsRequestIsRead) {
    const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    for (const http::service& app : {http::service(say_body), http::service(stream_body)}) {
        static_cast<void>(converse(app, http::serve_options().io_timeout(5s), [&](client& one) -> task<void> {
            const auto begin = eddy::time::clock::now();
            EXPECT_TRUE(
                co_await one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
            EXPECT_EQ(co_await one.receive(go_on), go_on);
            co_await eddy::time::sleep(20ms);  // the connection is polled again when the client waits for more
            static_cast<void>(co_await one.receive_all());
            EXPECT_LT(eddy::time::clock::now() - begin, 6s);
        }));
    }
}

TEST(HttpServer, KeepsConnectionAfterBodyOfExpectContinue) {
    const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const auto outcome = converse(stream_body, http::serve_options(), [&](client& one) -> task<void> {
        EXPECT_TRUE(
            co_await one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
        EXPECT_EQ(co_await one.receive(go_on), go_on);
        EXPECT_TRUE(co_await one.send("hi"));
        EXPECT_EQ(co_await one.receive("hi"), ok("hi"));
        EXPECT_EQ(co_await one.exchange(get("/")), ok(""));
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpServer, DiscardsUnreadBodies) {
    const std::string small = post(std::string(100'000, 'x')) + get("/b");
    EXPECT_EQ(answers(say_path, small), ok("/") + ok("/b"));
    EXPECT_EQ(answers(stream_hello, small), chunked_hello() + chunked_hello());
    // A body that is too long to discard ends the connection. The response says so.
    const std::string large = post(std::string(1'000'000, 'x')) + get("/b");
    EXPECT_EQ(answers(say_path, large), ok("/", close_field));
    EXPECT_EQ(answers(stream_hello, large), chunked_hello(close_field));
}

/// Answers with 50,000 bytes, does not read the body of the request, and closes the connection.
task<http::response> say_much(http::request) {
    http::response answer(http::status::ok, std::string(50'000, 'x'));
    answer.headers.add("Connection", "close");
    co_return answer;
}

TEST(HttpServer, ResponseAboveTheMemoryLimitGets503) {
    const eddy::bytes cached(std::string(100'000, 'x'));
    const auto app = [&](http::request asked) -> task<http::response> {
        if (asked.path() == "/cached") co_return http::response(http::status::ok, http::body(cached));
        co_return http::response(http::status::ok, std::string(100'000, 'x'));
    };
    const auto options = http::serve_options().response_memory_limit(99'999);
    const std::string refused = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(answers(app, get("/") + get("/"), options), refused + refused);
    // The memory of a body that the program keeps belongs to no response.
    EXPECT_TRUE(answers(app, get("/cached"), options) == ok(std::string(cached.text())));
    const auto enough = http::serve_options().response_memory_limit(100'000);
    EXPECT_TRUE(answers(app, get("/") + get("/"), enough) ==
                ok(std::string(cached.text())) + ok(std::string(cached.text())));
}

TEST(HttpServer, MemoryOfASentResponseIsGivenBackBeforeTheClientCloses) {
    constexpr std::size_t size = 100'000;
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(size, 'x'));
    };
    const auto options = http::serve_options().response_memory_limit(size).max_requests(1);
    eddy::test::run_paused([&]() -> task<void> {
        auto first = io::duplex(64 * 1024);
        auto second = io::duplex(64 * 1024);
        const auto ask_both = [&]() -> task<void> {
            client one(std::move(first.first));
            client other(std::move(second.first));
            for (client* const asks : {&one, &other}) {
                EXPECT_TRUE(co_await asks->send(get("/")));
                const auto answer = co_await asks->receive(std::string(size, 'x'));
                EXPECT_EQ(support::statuses(answer), "200");
            }
        };
        auto all = eddy::join(http::serve_connection(std::move(first.second), app, options),
                              http::serve_connection(std::move(second.second), app, options), ask_both());
        static_cast<void>(co_await all);
    });
}

/// Serves two clients from memory for one response. The first one asks for "/first", receives `received` bytes of it
/// each second, and then the second one asks. Returns what both have got, and the requests that were refused.
struct two_answers {
    std::string first;
    std::string second;
    std::string log;
};
two_answers answers_to_two(std::size_t received, bool is_streamed) {
    constexpr std::size_t size = 100'000;
    two_answers got;
    const auto app = [&](http::request) -> task<http::response> {
        http::response answer(http::status::ok, std::string(size, 'x'));
        if (is_streamed) answer.body = std::move(answer.body).with_trailers([] { return http::headers(); });
        co_return answer;
    };
    auto options = http::serve_options().response_memory_limit(size);
    options.on_refused([&](const http::refused_request& it) {
        got.log += std::to_string(http::to_int(it.status)) + ' ' + it.method + ' ' + it.target + '\n';
    });
    eddy::test::run_paused([&]() -> task<void> {
        auto first = io::duplex(1000);
        auto second = io::duplex(64 * 1024);
        const auto ask_both = [&]() -> task<bool> {
            client one(std::move(first.first));
            client other(std::move(second.first));
            const auto last = [](std::string path) {
                return "GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            };
            EXPECT_TRUE(co_await one.send(last("/first")));
            for (int i = 0; i < 3; ++i) {
                co_await eddy::time::sleep(1s);
                for (std::size_t left = received; left != 0;) {
                    const auto some = co_await one.receive_some(std::min<std::size_t>(left, 1000));
                    got.first += some;
                    left -= some.size();
                }
            }
            EXPECT_TRUE(co_await other.send(last("/second")));
            got.second = co_await other.receive_all();
            got.first += co_await one.receive_all();
            co_return true;
        };
        auto all = eddy::join(http::serve_connection(std::move(first.second), app, options),
                              http::serve_connection(std::move(second.second), app, options), ask_both());
        static_cast<void>(co_await all);
    });
    return got;
}

TEST(HttpServer, UnreadResponseIsDroppedForAnother) {
    for (const bool is_streamed : {false, true}) {
        const auto got = answers_to_two(0, is_streamed);
        EXPECT_EQ(support::statuses(got.second), "200");
        EXPECT_EQ(std::ranges::count(got.second, 'x'), 100'000);
        EXPECT_EQ(support::statuses(got.first), "200");
        EXPECT_LT(std::ranges::count(got.first, 'x'), 100'000);
        EXPECT_EQ(got.log, "503 GET /first\n");
    }
}

TEST(HttpServer, ResponseThatIsReadSlowlyIsNotDropped) {
    for (const bool is_streamed : {false, true}) {
        const auto got = answers_to_two(5000, is_streamed);
        EXPECT_EQ(support::statuses(got.second), "503");
        EXPECT_EQ(std::ranges::count(got.first, 'x'), 100'000);
        EXPECT_EQ(got.log, "503 GET /second\n");
    }
}

TEST(HttpServer, ResponseAboveTheMemoryLimitIsReportedToAccessLog) {
    std::string log;
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(100'000, 'x'));
    };
    const http::metrics counters;
    auto options = http::serve_options().response_memory_limit(99'999).metrics(counters);
    options.on_refused([&](const http::refused_request& it) {
        EXPECT_FALSE(it.peer.has_value());
        log += std::to_string(http::to_int(it.status)) + ' ' + it.method + ' ' + it.target + '\n';
    });
    EXPECT_EQ(support::statuses(answers(app, get("/a?b=c") + get("/" + std::string(200, 'd')), options)), "503,503");
    EXPECT_EQ(log, "503 GET /a?b=c\n503 GET /" + std::string(99, 'd') + '\n');
    EXPECT_TRUE(counters.text().contains("http_requests_total{code=\"503\"} 2\n"));
}

TEST(HttpServer, LastResponseReachesClientThatHasEndedItsSide) {
    const std::string expected = ok(std::string(50'000, 'x'), close_field);
    for (const auto& request : {get("/") + get("/"), post(std::string(300, 'y'))}) {
        std::string got;
        const auto script = [&](client& one) -> task<void> { got = co_await one.exchange(request); };
        EXPECT_TRUE(converse(say_much, http::serve_options(), script, 100).has_value());
        EXPECT_TRUE(got == expected) << got.size();
    }
}

TEST(HttpServer, LastResponseReachesSlowClient) {
    std::string got;
    const auto script = [&](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"));
        for (int i = 0; i < 50; ++i) {
            got += co_await one.receive_some(1000);
            co_await eddy::time::sleep(1s);
        }
        got += co_await one.receive_all();
    };
    EXPECT_TRUE(converse(say_much, http::serve_options(), script, 1000).has_value());
    EXPECT_EQ(std::ranges::count(got, 'x'), 50'000);
}

/// A reader that never waits.
class counting_reader {
public:
    static constexpr std::size_t all = 1 << 20;

    explicit counting_reader(std::size_t& given) : given_(&given) {}
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        const auto count = std::min(into.size(), all - *given_);
        std::ranges::fill(into.first(count), std::byte('x'));
        *given_ += count;
        return eddy::ok(count);
    }

private:
    std::size_t* given_;
};

TEST(HttpServer, BodyOfResponseWaitsForTheClient) {
    std::size_t given = 0;
    const auto app = [&](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(counting_reader(given)));
    };
    static_cast<void>(converse(app, http::serve_options(), [&](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(get("/")));
        static_cast<void>(co_await one.receive("\r\n\r\n"));
        co_await eddy::time::sleep(1s);  // the clock advances when the server waits
        EXPECT_GT(given, 0U);
        EXPECT_LT(given, counting_reader::all / 2) << "the server keeps what the client does not receive";
    }));
}

TEST(HttpServer, ResponsesToPipelinedRequestsWaitForTheClient) {
    int calls = 0;
    const auto app = [&calls](http::request) -> task<http::response> {
        ++calls;
        co_return http::response(http::status::ok, std::string(1000, 'x'));
    };
    static_cast<void>(converse(app, http::serve_options(), [&](client& one) -> task<void> {
        std::string requests;
        for (int i = 0; i < 500; ++i) requests += get("/");
        EXPECT_TRUE(co_await one.send(requests));
        co_await eddy::time::sleep(1s);  // as above
        EXPECT_GT(calls, 0);
        EXPECT_LT(calls, 300) << "the server keeps responses that the client does not receive";
    }));
}

TEST(HttpServer, StreamedResponseAfterMalformedBodyAnnouncesClose) {
    const auto app = [](http::request asked) -> task<http::response> {
        const auto all = co_await asked.body.read_all();
        EXPECT_EQ(all.error(), http::errc::bad_message);
        co_return http::response(http::status::ok, http::body::from_reader(io::cursor(std::string("no"))));
    };
    EXPECT_EQ(answers(app, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nno\r\n0\r\n\r\n");
}

TEST(HttpServer, ReadingBodyAfterResponseFails) {
    std::optional<http::request> kept;
    const auto app = [&kept](http::request asked) -> task<http::response> {
        kept = std::move(asked);
        co_return http::response(http::status::ok);
    };
    EXPECT_EQ(answers(app, post(std::string(100'000, 'x'))), ok(""));
    ASSERT_TRUE(kept.has_value());
    eddy::core loop;
    EXPECT_EQ(loop.run(kept->body.read_all()).error(), http::errc::body_detached);
}

TEST(HttpServer, ResetContentHasNoBody) {
    const std::string expected = "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n";
    const auto app = [](http::request asked) -> task<http::response> {
        http::body content("ignored");
        if (asked.path() == "/stream") content = http::body::from_reader(io::cursor(std::string("ignored")));
        co_return http::response(http::status::reset_content, std::move(content));
    };
    EXPECT_EQ(answers(app, get("/") + get("/stream") + get("/")), expected + expected + expected);
}

TEST(HttpServer, BodyReadByAnotherTaskIsDetachedAfterResponse) {
    std::optional<eddy::join_handle<result<eddy::bytes>>> reading;
    const auto app = [&reading](http::request asked) -> task<http::response> {
        const auto read = [](http::body from) -> task<result<eddy::bytes>> { co_return co_await from.read_all(); };
        if (asked.method == http::method::post) reading = eddy::spawn(read(std::move(asked.body)));
        co_await eddy::yield_now();  // lets the spawned task wait for the body
        co_return http::response(http::status::ok, "x");
    };
    const auto outcome = converse(app, http::serve_options(), [&](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na"));
        EXPECT_EQ(co_await one.receive("\r\n\r\nx"), ok("x"));
        const auto ended = co_await eddy::time::timeout(1s, std::move(*reading));
        EXPECT_TRUE(ended && ended->value().error() == http::errc::body_detached);
        EXPECT_TRUE(co_await one.send("bc" + get("/")));
        EXPECT_EQ(co_await one.receive("\r\n\r\nx"), ok("x"));
    });
    EXPECT_TRUE(outcome.has_value());
}

}  // namespace
