// SPDX-License-Identifier: MIT
// The server of eddy::http over connections in memory, on a paused clock. The tests compare the bytes that a client
// sends and receives.
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
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace http = eddy::http;
namespace io = eddy::io;

/// A client that sends and receives text.
class client {
public:
    explicit client(io::duplex_stream&& stream) : stream_(std::move(stream)) {}

    task<bool> send(std::string text) {
        const auto sent = co_await io::write_all(stream_, text);
        co_return sent.has_value();
    }
    /// Receives text that ends with `end`. If the connection ends earlier, returns the text so far.
    task<std::string> receive(std::string end) {
        std::string text;
        std::array<std::byte, 1> one{};
        while (!text.ends_with(end)) {
            const auto count = co_await io::read(stream_, one);
            if (!count || *count == 0) break;
            text += static_cast<char>(one[0]);
        }
        co_return without_date(text);
    }
    /// Receives at most `most` bytes.
    task<std::string> receive_some(std::size_t most) {
        std::string text(most, ' ');
        const auto count = co_await io::read(stream_, std::as_writable_bytes(std::span(text)));
        text.resize(count.value_or(0));
        co_return text;
    }
    /// Receives text up to the end of the connection.
    task<std::string> receive_all() {
        std::string text;
        std::array<std::byte, 4096> some{};
        for (;;) {
            const auto count = co_await io::read(stream_, some);
            if (!count || *count == 0) break;
            text.append(reinterpret_cast<const char*>(some.data()), *count);
        }
        co_return without_date(text);
    }
    /// Sends all requests, and returns all responses.
    task<std::string> exchange(std::string requests) {
        // Sends and receives at the same time: the server may send while it receives.
        auto both = eddy::join(send_and_close(std::move(requests)), receive_all());
        auto [is_sent, responses] = co_await both;
        co_return responses;
    }
    task<void> close() {
        static_cast<void>(co_await eddy::poll_fn([this](eddy::context& cx) { return stream_.poll_shutdown(cx); }));
    }

private:
    task<bool> send_and_close(std::string text) {
        const bool is_sent = co_await send(std::move(text));
        co_await close();
        co_return is_sent;
    }
    static std::string without_date(std::string text) {
        for (auto at = text.find("Date: "); at != std::string::npos; at = text.find("Date: "))
            text.erase(at, text.find("\r\n", at) + 2 - at);
        return text;
    }

    io::duplex_stream stream_;
};

template <class Script>
task<bool> play(client one, Script& script) {
    co_await script(one);
    co_await one.close();
    co_return true;
}

/// Serves one connection, while `script(client&)` uses its other end. Returns the result of serve_connection().
template <class Script>
result<void> converse(http::service app, http::serve_options options, Script script, std::size_t capacity = 64 * 1024) {
    return eddy::test::run_paused([&]() -> task<result<void>> {
        auto [near, far] = io::duplex(capacity);
        auto both =
            eddy::join(http::serve_connection(std::move(far), app, options), play(client(std::move(near)), script));
        auto [outcome, has_played] = co_await both;
        EXPECT_TRUE(has_played);
        co_return outcome;
    });
}

/// Sends `requests` together, and returns all responses.
std::string answers(http::service app, std::string requests, http::serve_options options = http::serve_options()) {
    std::string responses;
    const auto outcome = converse(std::move(app), std::move(options),
                                  [&](client& one) -> task<void> { responses = co_await one.exchange(requests); });
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
    return responses;
}

/// Answers with the path.
task<http::response> say_path(http::request asked) {
    co_return http::response(http::status::ok, std::string(asked.path()));
}

/// Answers with the body, after it has received all of it.
task<result<http::response>> say_body(http::request asked) {
    auto text = co_await try_(asked.body.read_text());
    co_return http::response(http::status::ok, std::move(text));
}

/// Answers with the body while it receives it.
task<http::response> stream_body(http::request asked) {
    co_return http::response(http::status::ok, std::move(asked.body));
}

std::string get(std::string path, std::string fields = "") {
    return "GET " + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string post(std::string body, std::string fields = "") {
    return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}
std::string ok(std::string body, std::string fields = "") {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" + body;
}
const std::string close_field = "Connection: close\r\n";

/// Returns the status lines in `responses`, without the version.
std::string statuses(const std::string& responses) {
    std::string all;
    for (auto at = responses.find("HTTP/1.1 "); at != std::string::npos; at = responses.find("HTTP/1.1 ", at + 1))
        all.append(all.empty() ? "" : ",").append(responses.substr(at + 9, 3));
    return all;
}

// ---- Requests and responses ----

TEST(HttpServer, AnswersRequestsOfOneConnection) {
    EXPECT_EQ(answers(say_path, get("/a") + get("/b?c")), ok("/a") + ok("/b"));
    EXPECT_EQ(answers(say_body, post("hello") + post("") + post("x")), ok("hello") + ok("") + ok("x"));
}

TEST(HttpServer, ClosesConnectionIfClientRequestsIt) {
    EXPECT_EQ(answers(say_path, get("/a", close_field) + get("/b")), ok("/a", close_field));
    EXPECT_EQ(answers(say_path, "GET /a HTTP/1.0\r\n\r\n"), ok("/a", close_field));
    EXPECT_EQ(answers(say_path, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
              ok("/a", "Connection: keep-alive\r\n"));
}

TEST(HttpServer, ClosesConnectionIfServiceRequestsIt) {
    const auto app = [](http::request) -> task<http::response> {
        http::response answer(http::status::ok, "x");
        answer.headers.add("Connection", "close");
        co_return answer;
    };
    EXPECT_EQ(answers(app, get("/a") + get("/b")), ok("x", close_field));
}

TEST(HttpServer, ResponsesToHeadAndWith204HaveNoBody) {
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    EXPECT_EQ(answers(say_path, "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n" + get("/b")), head + ok("/b"));
    const auto none = [](http::request) -> task<http::response> {
        co_return http::response(http::status::no_content, "ignored");
    };
    EXPECT_EQ(answers(none, get("/a")), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(HttpServer, PassesRequestToService) {
    const auto app = [](http::request asked) -> task<http::response> {
        EXPECT_EQ(asked.method, http::method::post);
        EXPECT_EQ(asked.target, "/p?q=1");
        EXPECT_EQ(asked.query("q"), "1");
        EXPECT_EQ(asked.headers.get("host"), "b");
        EXPECT_EQ(asked.headers.get("x"), "y");
        EXPECT_EQ(asked.body.size(), 2U);
        EXPECT_EQ(asked.peer, std::nullopt);
        co_return http::response::redirect("/z");
    };
    const std::string request = "POST http://b/p?q=1 HTTP/1.1\r\nHost: a\r\nX: y\r\nContent-Length: 2\r\n\r\nhi";
    EXPECT_EQ(answers(app, request), "HTTP/1.1 303 See Other\r\nLocation: /z\r\nContent-Length: 0\r\n\r\n");
}

TEST(HttpServer, SendsResponseWhileNextRequestIsServed) {
    eddy::sync::notify go;
    const auto app = [&go](http::request asked) -> task<http::response> {
        if (asked.path() == "/slow") co_await go.notified();
        co_return http::response(http::status::ok, std::string(asked.path()));
    };
    const auto outcome = converse(app, http::serve_options(), [&](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(get("/fast") + get("/slow")));
        EXPECT_EQ(co_await one.receive("/fast"), ok("/fast"));
        go.notify_one();
        EXPECT_EQ(co_await one.receive("/slow"), ok("/slow"));
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(HttpServer, AnswersManyPipelinedRequestsInOrder) {
    std::string requests;
    std::string expected;
    for (int i = 0; i < 3000; ++i) {
        requests += get("/" + std::to_string(i));
        expected += ok("/" + std::to_string(i));
    }
    EXPECT_TRUE(answers(say_path, requests) == expected);
}

// ---- Bodies ----

TEST(HttpServer, StreamsBodiesOfUnknownSizeInChunks) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(io::cursor(std::string("hello"))));
    };
    EXPECT_EQ(answers(app, get("/") + get("/")),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    EXPECT_EQ(answers(app, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
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
    EXPECT_EQ(answers(say_path, post(std::string(100'000, 'x')) + get("/b")), ok("/") + ok("/b"));
    // A body that is too long to discard ends the connection. The response says so.
    EXPECT_EQ(answers(say_path, post(std::string(1'000'000, 'x')) + get("/b")), ok("/", close_field));
}

/// Answers with 50,000 bytes, does not read the body of the request, and closes the connection.
task<http::response> say_much(http::request) {
    http::response answer(http::status::ok, std::string(50'000, 'x'));
    answer.headers.add("Connection", "close");
    co_return answer;
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

/// Serves one connection, while `script(client&)` uses its other end. The server writes through a large buffer, so no
/// byte is sent before a flush. The connection holds at most 1000 bytes.
template <class Script>
void converse_buffered(http::service app, Script script) {
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(1000);
        client one(std::move(near));
        auto served =
            eddy::spawn(http::serve_connection(io::buf_writer(std::move(far), 1 << 20), app, http::serve_options()));
        co_await script(one);
        served.abort();
    });
}

TEST(HttpServer, FlushesConnectionWithABuffer) {
    for (const std::size_t size : {100U, 50'000U, 200'000U}) {
        const std::string large = std::string(size, 'x') + "!";
        const auto app = [&large](http::request asked) -> task<http::response> {
            if (asked.path() == "/stream")
                co_return http::response(http::status::ok, http::body::from_reader(io::cursor(large), large.size()));
            co_return http::response(http::status::ok, std::string_view(large));
        };
        for (const char* const path : {"/", "/stream"}) {
            converse_buffered(app, [&](client& one) -> task<void> {
                EXPECT_TRUE(co_await one.send(get(path)));
                const auto answer = co_await eddy::time::timeout(1s, one.receive("!"));
                EXPECT_TRUE(answer == ok(large)) << path << ' ' << size;
            });
        }
    }
}

TEST(HttpServer, FlushesConnectionWithABufferWhileServiceWaits) {
    const std::string large = std::string(50'000, 'x') + "!";
    const auto app = [&large](http::request asked) -> task<http::response> {
        if (asked.path() == "/slow") co_await eddy::time::sleep(10s);
        co_return http::response(http::status::ok, std::string_view(large));
    };
    converse_buffered(app, [&](client& one) -> task<void> {
        EXPECT_TRUE(co_await one.send(get("/") + get("/slow")));
        const auto answer = co_await eddy::time::timeout(1s, one.receive("!"));
        EXPECT_TRUE(answer == ok(large));
    });
}

/// Requests with each kind of body, and a malformed one at the end.
std::string various_requests() {
    const std::string chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    return get("/a") + post("hello") + chunked + "3\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n" +
           post("xy", "Expect: 100-continue\r\n") + "HEAD /b HTTP/1.1\r\nHost: a\r\n\r\n" + "GET /\n";
}

std::vector<http::service> various_services() { return {say_path, say_body, stream_body}; }

TEST(HttpServer, AnswersDoNotDependOnSizesOfReadsAndWrites) {
    for (const http::service& app : {http::service(say_path), http::service(say_body)}) {
        const auto run = [&](std::size_t capacity) {
            std::string got;
            const auto script = [&](client& one) -> task<void> { got = co_await one.exchange(various_requests()); };
            EXPECT_TRUE(converse(app, http::serve_options(), script, capacity).has_value());
            std::erase(got, '\r');
            // The server sends "100 Continue" only if the body has not arrived yet, which depends on `capacity`.
            for (const std::string_view part : {"HTTP/1.1 100 Continue\n\n", "Connection: close\n"})
                for (auto at = got.find(part); at != std::string::npos; at = got.find(part)) got.erase(at, part.size());
            return got;
        };
        const auto expected = run(64 * 1024);
        EXPECT_TRUE(expected.starts_with("HTTP/1.1 200 OK\n"));
        for (const std::size_t capacity : {1U, 2U, 3U, 7U, 50U, 301U}) {
            const auto got = run(capacity);
            // If the body after "Expect: 100-continue" has not arrived and the service does not read it, the server
            // closes the connection. Then the later requests have no response.
            EXPECT_TRUE(got == expected || (!got.empty() && expected.starts_with(got))) << capacity << '\n' << got;
        }
    }
}

TEST(HttpServer, ClientMayLeaveAfterAnyByte) {
    const auto requests = various_requests();
    for (const auto& app : various_services()) {
        for (std::size_t size = 0; size < requests.size(); ++size) {
            const auto outcome = converse(app, http::serve_options(), [&](client& one) -> task<void> {
                EXPECT_TRUE(co_await one.send(requests.substr(0, size)));
            });
            EXPECT_TRUE(outcome || outcome.error() == http::errc::body_too_short) << size << outcome.error().message();
        }
    }
}

TEST(HttpServer, ConnectionMayBeDroppedAfterAnyPoll) {
    for (const auto& app : various_services()) {
        for (int polls = 0; polls < 40; ++polls) {
            eddy::test::run_paused([&]() -> task<void> {
                auto [near, far] = io::duplex(30);
                client one(std::move(near));
                auto talking = eddy::spawn(one.exchange(various_requests()));
                {
                    eddy::test::by_hand served(http::serve_connection(std::move(far), app, http::serve_options()));
                    for (int i = 0; i < polls; ++i) {
                        if (served.poll().is_ready()) break;
                        co_await eddy::yield_now();
                    }
                }
                const auto got = co_await std::move(talking);
                EXPECT_TRUE(got->empty() || got->starts_with("HTTP/1.1 200 OK"));
            });
        }
    }
}

TEST(HttpServer, ServesConnectionByReference) {
    eddy::test::run_paused([]() -> task<void> {
        auto ends = io::duplex(4096);
        client one(std::move(ends.first));
        auto both =
            eddy::join(http::serve_connection(std::ref(ends.second), say_path), one.exchange(get("/a", close_field)));
        auto [outcome, responses] = co_await both;
        EXPECT_TRUE(outcome.has_value());
        EXPECT_EQ(responses, ok("/a", close_field));
    });
}

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
    EXPECT_EQ(failing_body(chunked + "2;x=y\r\n"), failure("400", http::errc::bad_message));
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
    EXPECT_EQ(answers(app, chunked + "2;x=y\r\nhi\r\n0\r\n\r\n" + get("/")), ok("incomplete", close_field));
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
    const auto app = [](http::request) -> task<http::response> {
        co_await eddy::yield_now();
        throw std::runtime_error("x");
    };
    std::string answer;
    const auto script = [&](client& one) -> task<void> { answer = co_await one.exchange(get("/")); };
    EXPECT_THROW(static_cast<void>(converse(app, http::serve_options(), script)), std::runtime_error);
    // The exception ends the join, perhaps before the client has received the answer.
    EXPECT_TRUE(answer.empty() || statuses(answer) == "500") << answer;
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

/// A reader that yields some bytes and then fails.
class failing_reader {
public:
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        if (std::exchange(has_read_, true))
            return result<std::size_t>(std::unexpect, std::make_error_code(std::errc::io_error));
        std::ranges::fill(into.first(10), std::byte{'x'});
        return eddy::ok(std::size_t{10});
    }

private:
    bool has_read_ = false;
};

TEST(HttpServer, FailedResponseBodyLeavesResponseIncomplete) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(failing_reader()));
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
        co_return http::response(http::status::ok, http::body::from_reader(failing_reader()));
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
