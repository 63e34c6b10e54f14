// SPDX-License-Identifier: MIT
// HTTP/2 of eddy::http over connections in memory, on a paused clock. The client is nghttp2.
// covers: P146
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

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/http/http2_client.hpp"
#include "support/http/http_readers.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using support::http2_client;
namespace http = eddy::http;
namespace io = eddy::io;

/// Serves one connection, while `script(http2_client&)` uses its other end. Returns the result of
/// serve_connection().
template <class Script>
result<void> converse(http::service app, http::serve_options options, Script script,
                      std::vector<nghttp2_settings_entry> settings = {}) {
    return eddy::test::run_paused([&]() -> task<result<void>> {
        auto [near, far] = io::duplex(64 * 1024);
        auto client = std::make_unique<http2_client>(std::move(near), settings);
        const auto run = [&]() -> task<bool> {
            co_await script(*client);
            co_await client->close();
            co_return true;
        };
        auto both = eddy::join(http::serve_connection(std::move(far), app, options), run());
        auto [outcome, has_played] = co_await both;
        EXPECT_TRUE(has_played);
        co_return outcome;
    });
}

const http2_client::fields no_fields;

task<http::response> say_path(http::request asked) {
    co_return http::response(http::status::ok, std::string(asked.path()));
}
task<result<http::response>> say_body(http::request asked) {
    auto text = co_await try_(asked.body.read_text());
    co_return http::response(http::status::ok, std::move(text));
}
task<http::response> stream_body(http::request asked) {
    co_return http::response(http::status::ok, std::move(asked.body));
}

// ---- Requests and responses ----

TEST(Http2Server, AnswersRequestsOfOneConnection) {
    const auto outcome = converse(say_path, http::serve_options(), [](http2_client& one) -> task<void> {
        const auto a = co_await one.get("/a");
        EXPECT_EQ(a.status, "200");
        EXPECT_EQ(a.body, "/a");
        EXPECT_EQ(a.get("content-length"), "2");
        EXPECT_FALSE(a.get("date").empty());
        EXPECT_EQ(a.closed, 0U);
        EXPECT_EQ((co_await one.get("/b?c")).body, "/b");
    });
    EXPECT_TRUE(outcome.has_value());
}

TEST(Http2Server, ResponsesToHeadAndWith204HaveNoBody) {
    const auto app = [](http::request asked) -> task<http::response> {
        if (asked.path() == "/none") co_return http::response(http::status::no_content, "ignored");
        co_return http::response(http::status::ok, "hello");
    };
    converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
        const auto head = co_await one.finish(one.ask("HEAD", "/"));
        EXPECT_EQ(head.get("content-length"), "5");
        EXPECT_EQ(head.body, "");
        const auto none = co_await one.get("/none");
        EXPECT_EQ(none.status, "204");
        EXPECT_EQ(none.get("content-length"), "");
        EXPECT_EQ(none.body, "");
    }).value();
}

TEST(Http2Server, PassesRequestToService) {
    const auto app = [](http::request asked) -> task<http::response> {
        EXPECT_EQ(asked.method, http::method::post);
        EXPECT_EQ(asked.target, "/p?q=1");
        EXPECT_EQ(asked.version, http::version::http_2);
        EXPECT_EQ(asked.headers.get("Host"), "b:8080");
        EXPECT_EQ(asked.headers.get("X-One"), "y");
        EXPECT_EQ(asked.headers.get("Cookie"), "k=1; l=2");
        EXPECT_EQ(asked.headers.count("cookie"), 1U);
        EXPECT_EQ(asked.body.size(), 2U);
        auto answer = http::response::redirect("/z");
        answer.headers.add("Transfer-Encoding", "ignored");
        answer.headers.add("Keep-Alive", "ignored");
        answer.headers.add("X-Two", "  w");
        co_return answer;
    };
    converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
        const auto more = http2_client::list(":authority", "b:8080", "cookie", "k=1", "x-one", "y", "cookie", "l=2",
                                             "content-length", "2");
        const auto got = co_await one.finish(one.ask("POST", "/p?q=1", more, "hi"));
        EXPECT_EQ(got.status, "303");
        EXPECT_EQ(got.get("location"), "/z");
        EXPECT_EQ(got.get("x-two"), "w");
        EXPECT_EQ(got.get("transfer-encoding") + got.get("keep-alive"), "");
    }).value();
}

TEST(Http2Server, AnswersRequestsInOrderOfTheirCompletion) {
    eddy::sync::notify go;
    const auto app = [&go](http::request asked) -> task<http::response> {
        if (asked.path() == "/slow") co_await go.notified();
        co_return http::response(http::status::ok, std::string(asked.path()));
    };
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        std::vector<std::int32_t> slow;
        for (int i = 0; i < 50; ++i) slow.push_back(one.ask("GET", "/slow"));
        EXPECT_EQ((co_await one.get("/fast")).body, "/fast");
        for (const auto id : slow) {
            EXPECT_FALSE(one.at(id).closed);
            go.notify_one();
        }
        for (const auto id : slow) EXPECT_EQ((co_await one.finish(id)).body, "/slow");
    }).value();
}

TEST(Http2Server, RecognizesPrefaceInPieces) {
    const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9);
    const auto outcome = eddy::test::run_paused([&]() -> task<std::string> {
        auto [near, far] = io::duplex(1024);
        const auto run = [&](io::duplex_stream stream) -> task<std::string> {
            for (const char c : preface) {
                const auto sent = co_await io::write_all(stream, std::string(1, c));
                EXPECT_TRUE(sent.has_value());
                co_await eddy::yield_now();
            }
            std::string got(9, ' ');
            const auto count = co_await io::read_exact(stream, std::as_writable_bytes(std::span(got)));
            EXPECT_TRUE(count.has_value());
            co_return got;
        };
        auto both = eddy::join(http::serve_connection(std::move(far), say_path), run(std::move(near)));
        auto [served, got] = co_await both;
        EXPECT_TRUE(served.has_value());
        co_return got;
    });
    EXPECT_EQ(outcome[3], '\4') << "the first frame is not SETTINGS";
}

TEST(Http2Server, IsRefusedIfSwitchedOff) {
    const auto got = eddy::test::run_paused([&]() -> task<std::string> {
        auto [near, far] = io::duplex(1024);
        const auto run = [](io::duplex_stream stream) -> task<std::string> {
            static_cast<void>(co_await io::write_all(stream, std::string("PRI * HTTP/2.0\r\n\r\n")));
            std::string text(12, ' ');
            static_cast<void>(co_await io::read_exact(stream, std::as_writable_bytes(std::span(text))));
            co_return text;
        };
        auto both = eddy::join(http::serve_connection(std::move(far), say_path, http::serve_options().http2(false)),
                               run(std::move(near)));
        auto [served, text] = co_await both;
        EXPECT_TRUE(served.has_value());
        co_return text;
    });
    EXPECT_EQ(got, "HTTP/1.1 505");
}

// ---- Bodies ----

TEST(Http2Server, BodyThatArrivesWithItsHeadIsInMemory) {
    const auto app = [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, asked.body.in_memory() != nullptr ? "memory" : "reader");
    };
    converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.finish(one.ask("POST", "/", no_fields, "hi"))).body, "memory");
        EXPECT_EQ((co_await one.finish(one.ask("POST", "/", no_fields, "hi", true))).body, "reader");
    }).value();
}

TEST(Http2Server, StreamsRequestBodyIntoResponse) {
    const std::string large(3'000'000, 'x');
    const auto options = http::serve_options().body_limit(10'000'000);
    converse(stream_body, options, [&](http2_client& one) -> task<void> {
        const auto first = one.ask("POST", "/", no_fields, large);
        const auto second =
            one.ask("POST", "/", http2_client::list("content-length", std::to_string(large.size())), large);
        EXPECT_TRUE((co_await one.finish(first)).body == large);
        EXPECT_TRUE((co_await one.finish(second)).body == large);
        EXPECT_EQ(one.at(second).closed, 0U);
        EXPECT_EQ((co_await one.finish(one.ask("POST", "/", no_fields, ""))).body, "");
    }).value();
}

TEST(Http2Server, SendsLargeBodies) {
    const std::string large(2'000'000, 'y');
    const auto app = [&](http::request asked) -> task<http::response> {
        if (asked.path() == "/memory") co_return http::response(http::status::ok, std::string(large));
        co_return http::response(http::status::ok, http::body::from_reader(io::cursor(large), large.size()));
    };
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        const auto memory = one.ask("GET", "/memory");
        const auto reader = one.ask("GET", "/reader");
        EXPECT_TRUE((co_await one.finish(memory)).body == large);
        EXPECT_TRUE((co_await one.finish(reader)).body == large);
        EXPECT_EQ(one.at(reader).get("content-length"), std::to_string(large.size()));
    }).value();
}

TEST(Http2Server, WindowGrowsByWhatServiceReads) {
    eddy::sync::notify go;
    const auto app = [&go](http::request asked) -> task<result<http::response>> {
        co_await go.notified();
        const auto all = co_await try_(asked.body.read_all());
        co_return http::response(http::status::ok, std::to_string(all.size()));
    };
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        const auto id = one.ask("POST", "/", no_fields, std::string(2'000'000, 'x'));
        while (nghttp2_session_get_stream_remote_window_size(one.session(), id) != 0) EXPECT_TRUE(co_await one.step());
        EXPECT_EQ((co_await eddy::time::timeout(1s, one.step())).has_value(), false) << "the window has grown";
        go.notify_one();
        EXPECT_EQ((co_await one.finish(id)).body, "2000000");
    }).value();
}

TEST(Http2Server, UnreadBodiesDoNotUseUpTheWindowOfTheConnection) {
    converse(say_path, http::serve_options(), [](http2_client& one) -> task<void> {
        for (int i = 0; i < 20; ++i) {
            const auto got = co_await one.finish(one.ask("POST", "/a", no_fields, std::string(200'000, 'x'), true));
            EXPECT_EQ(got.body, "/a");
            EXPECT_EQ(got.closed, 0U);
        }
    }).value();
}

TEST(Http2Server, BodyIsReadByAnotherTask) {
    const auto app = [](http::request asked) -> task<result<http::response>> {
        auto reading = eddy::spawn([](http::body from) -> task<result<std::string>> {
            co_return co_await from.read_text();
        }(std::move(asked.body)));
        auto text = co_await std::move(reading);
        co_return http::response(http::status::ok, std::to_string(text.value().value().size()));
    };
    converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.finish(one.ask("POST", "/", no_fields, std::string(900'000, 'x')))).body, "900000");
    }).value();
}

TEST(Http2Server, SendsContinueWhenServiceReadsBody) {
    for (const http::service& app : {http::service(say_body), http::service(stream_body)}) {
        converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
            const auto id = one.ask("POST", "/", http2_client::list("expect", "100-continue"), std::nullopt, true);
            while (one.at(id).status.empty()) EXPECT_TRUE(co_await one.step());
            EXPECT_TRUE(one.at(id).status == "100" || one.at(id).early.size() == 1U);
            one.send_more(id, "hi", true);
            EXPECT_EQ((co_await one.finish(id)).body, "hi");
            EXPECT_EQ(one.at(id).status, "200");
        }).value();
    }
}

TEST(Http2Server, BodyAboveLimitGets413) {
    const auto outcome =
        converse(say_body, http::serve_options().body_limit(1000), [](http2_client& one) -> task<void> {
            const auto announced =
                co_await one.finish(one.ask("POST", "/", http2_client::list("content-length", "1001"), "x", true));
            EXPECT_EQ(announced.status, "413");
            EXPECT_EQ((co_await one.finish(one.ask("POST", "/", no_fields, std::string(1000, 'x')))).status, "200");
            EXPECT_EQ((co_await one.finish(one.ask("POST", "/", no_fields, std::string(1001, 'x'), true))).status,
                      "413");
        });
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message();  // the fault of the client
}

TEST(Http2Server, TrailersOfRequestsAreReceived) {
    const auto say_trailer = [](http::request asked) -> task<result<http::response>> {
        auto text = co_await try_(asked.body.read_text());
        text.append(" ").append(asked.body.trailers().get("X-Trailer").value_or("none"));
        co_return http::response(http::status::ok, std::move(text));
    };
    converse(say_trailer, http::serve_options(), [](http2_client& one) -> task<void> {
        const auto id = one.ask("POST", "/", no_fields, "hi", true);
        co_await one.flush();
        one.end_with_trailer(id, "x-trailer", "y");
        EXPECT_EQ((co_await one.finish(id)).body, "hi y");
        // All announced bytes arrive before the trailer field.
        const auto sized = one.ask("POST", "/", {{"content-length", "2"}}, "hi", true);
        co_await one.flush();
        co_await eddy::time::sleep(1ms);  // of the paused clock: until the server waits
        one.end_with_trailer(sized, "x-trailer", "x");
        EXPECT_EQ((co_await one.finish(sized)).body, "hi x");
        // The whole request arrives at once.
        const auto at_once = one.ask("POST", "/", no_fields, "hi", true);
        one.end_with_trailer(at_once, "x-trailer", "z");
        EXPECT_EQ((co_await one.finish(at_once)).body, "hi z");
    }).value();
}

// ---- What is refused ----

TEST(Http2Server, RefusedRequestsGetStatus) {
    const http2_client::fields many(200, {"x", "y"});
    const auto options = http::serve_options().header_limit(8000).max_headers(150);
    const auto app = [](http::request asked) -> task<http::response> {
        EXPECT_EQ(asked.path(), "/fine");
        co_return http::response(http::status::ok);
    };
    converse(app, options, [&](http2_client& one) -> task<void> {
        const auto status_of = [&](std::string_view method, std::string_view path,
                                   const http2_client::fields& more = no_fields) -> task<std::string> {
            return [](http2_client& on, std::int32_t id) -> task<std::string> {
                co_return (co_await on.finish(id)).status;
            }(one, one.ask(method, path, more));
        };
        EXPECT_EQ(co_await status_of("BREW", "/"), "501");
        EXPECT_EQ(co_await status_of("GET", "/a#b"), "400");
        EXPECT_EQ(co_await status_of("GET", "/", http2_client::list("host", "other")), "400");
        // Newer versions of nghttp2 answer an authority with a user name by RST_STREAM, without asking the library.
        EXPECT_EQ(co_await status_of("GET", "/", http2_client::list(":authority", "host:port")), "400");
        EXPECT_EQ(co_await status_of("GET", "/", many), "431");
        EXPECT_EQ(co_await status_of("GET", "/", http2_client::list("x", std::string(8000, 'y'))), "431");
        EXPECT_EQ(co_await status_of("GET", "/", http2_client::list("x", std::string(36'000, 'y'))), "431");
        EXPECT_EQ(co_await status_of("GET", "/" + std::string(8000, 'y')), "414");
        EXPECT_EQ(co_await status_of("POST", "/", http2_client::list("expect", "magic")), "417");
        EXPECT_EQ(co_await status_of("GET", "/fine"), "200");
        EXPECT_EQ(co_await status_of("GET", "/fine", http2_client::list("host", "a")), "200");
    }).value();
}

TEST(Http2Server, PartsOfCookieCountAsOneField) {
    const http2_client::fields parts(100, {"cookie", "a=b"});
    const auto app = [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, std::to_string(asked.headers.get("Cookie").value_or("").size()));
    };
    converse(app, http::serve_options().max_headers(10), [&](http2_client& one) -> task<void> {
        const auto answer = co_await one.get("/", parts);
        EXPECT_EQ(answer.status, "200");
        EXPECT_EQ(answer.body, "498");
    }).value();
}

TEST(Http2Server, LargestHeaderLimitIsNoLimit) {
    const auto options = http::serve_options().header_limit(std::numeric_limits<std::size_t>::max());
    converse(say_path, options, [&](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.get("/", http2_client::list("x", std::string(20'000, 'y')))).status, "200");
    }).value();
}

TEST(Http2Server, MalformedRequestsResetTheirStream) {
    const auto app = [](http::request asked) -> task<http::response> {
        EXPECT_EQ(asked.path(), "/fine");
        co_return http::response(http::status::ok);
    };
    const auto with = [](std::string name, std::string value) {
        auto all = http2_client::list(":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a");
        all.emplace_back(std::move(name), std::move(value));
        return all;
    };
    const std::vector<http2_client::fields> malformed = {
        with("connection", "close"), with("transfer-encoding", "chunked"),
        with("x", "a\nb"),           with("x y", "z"),
        with(":path", "/2"),         with("te", "gzip"),
        with("content-length", "5"), http2_client::list(":method", "GET", ":scheme", "http")};
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        for (const auto& fields : malformed) {
            const auto got = co_await one.finish(one.ask_raw(fields));
            EXPECT_EQ(got.closed, std::uint32_t{NGHTTP2_PROTOCOL_ERROR}) << fields.back().first;
            EXPECT_EQ(got.status, "");
        }
        EXPECT_EQ((co_await one.get("/fine")).status, "200");
    }).value();
}

TEST(Http2Server, StreamsAboveLimitAreRefused) {
    eddy::sync::notify go;
    const auto app = [&go](http::request) -> task<http::response> {
        co_await go.notified();
        co_return http::response(http::status::ok);
    };
    converse(app, http::serve_options().max_streams(3), [&](http2_client& one) -> task<void> {
        std::vector<std::int32_t> ids;  // sent before the client knows the limit
        for (int i = 0; i < 5; ++i) ids.push_back(one.ask("GET", "/"));
        EXPECT_EQ((co_await one.finish(ids[3])).closed, std::uint32_t{NGHTTP2_REFUSED_STREAM});
        EXPECT_EQ((co_await one.finish(ids[4])).closed, std::uint32_t{NGHTTP2_REFUSED_STREAM});
        for (int i = 0; i < 3; ++i) go.notify_one();
        for (int i = 0; i < 3; ++i) EXPECT_EQ((co_await one.finish(ids[static_cast<std::size_t>(i)])).status, "200");
    }).value();
}

// A reset ends the stream at once, and the service when its cleanup has ended.
TEST(Http2Server, ServicesThatAreBeingCancelledCountForLimit) {
    constexpr int max_streams = 3;
    constexpr int max_services = 2 * max_streams;  // also those whose stream has ended
    int calls = 0;
    const auto app = [&calls](http::request) -> task<http::response> {
        ++calls;
        auto works = eddy::finally(eddy::pending<void>(), []() -> task<void> { co_await eddy::time::sleep(1h); });
        co_await works;
        co_return http::response(http::status::ok);
    };
    static_cast<void>(
        converse(app, http::serve_options().max_streams(max_streams), [&](http2_client& one) -> task<void> {
            for (int i = 0; i < 20; ++i) {
                const auto id = one.ask("GET", "/");
                co_await one.flush();
                co_await eddy::time::sleep(1s);  // the clock advances when the server waits
                one.reset(id);
                co_await one.flush();
                co_await eddy::time::sleep(1s);
            }
            EXPECT_EQ(calls, max_services) << "a client can start any number of services";
        }));
}

// ---- Cancellation and errors ----

/// Counts its copies that exist.
struct counted {
    explicit counted(int& in, eddy::sync::notify* told = nullptr) : all(&in), ended(told) { ++*all; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() {
        --*all;
        if (ended != nullptr) ended->notify_one();
    }
    int* all;
    eddy::sync::notify* ended;  // is told when this is destroyed
};

TEST(Http2Server, ResetCancelsService) {
    int running = 0;
    eddy::sync::notify has_begun;
    eddy::sync::notify has_ended;
    const auto app = [&](http::request) -> task<http::response> {
        const counted mark(running, &has_ended);
        has_begun.notify_one();
        co_await eddy::time::sleep(1h);
        co_return http::response(http::status::ok);
    };
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        const auto id = one.ask("GET", "/");
        co_await one.flush();
        co_await has_begun.notified();
        EXPECT_EQ(running, 1);
        one.reset(id);
        co_await one.flush();
        co_await has_ended.notified();
        EXPECT_EQ(running, 0);
    }).value();
}

TEST(Http2Server, EndOfConnectionCancelsServices) {
    int running = 0;
    eddy::sync::notify has_begun;
    const auto app = [&](http::request) -> task<http::response> {
        const counted mark(running);
        if (running == 3) has_begun.notify_one();
        co_await eddy::time::sleep(1h);
        co_return http::response(http::status::ok);
    };
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        for (int i = 0; i < 3; ++i) one.ask("GET", "/");
        co_await one.flush();
        co_await has_begun.notified();
    }).value();
    EXPECT_EQ(running, 0);
}

TEST(Http2Server, ServiceWithTokenDecidesItselfAfterReset) {
    eddy::sync::notify has_begun;
    eddy::sync::notify has_ended;
    std::vector<std::string> done;
    const auto app = [&](http::request asked) -> task<http::response> {
        if (asked.path() == "/other") co_return http::response(http::status::ok);
        const auto gone = asked.client_gone();
        has_begun.notify_one();
        co_await gone.cancelled();
        co_await eddy::yield_now();
        done.emplace_back(asked.path());
        has_ended.notify_one();
        co_return http::response(http::status::ok);
    };
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        const auto id = one.ask("GET", "/reset");
        co_await one.flush();
        co_await has_begun.notified();
        one.reset(id);
        co_await one.flush();
        co_await has_ended.notified();
        EXPECT_EQ((co_await one.get("/other")).status, "200");
        one.ask("GET", "/end");
        co_await one.flush();
        co_await has_begun.notified();
    }).value();
    EXPECT_EQ(done, (std::vector<std::string>{"/reset", "/end"}));
}

TEST(Http2Server, TokenIsNotCancelledByACompleteResponse) {
    std::vector<eddy::sync::cancellation_token> tokens;
    const auto app = [&](http::request asked) -> task<http::response> {
        tokens.push_back(asked.client_gone());
        http::response answer(http::status::ok, std::string(asked.path()));
        if (asked.path() == "/stream") answer.body = http::body::from_reader(io::cursor(std::string("text")));
        co_return answer;
    };
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.get("/now")).body, "/now");
        EXPECT_EQ((co_await one.get("/stream")).body, "text");
    }).value();
    ASSERT_EQ(tokens.size(), 2U);
    for (const auto& token : tokens) EXPECT_FALSE(token.is_cancelled());
}

TEST(Http2Server, TokenIsCancelledWhileTheResponseIsSent) {
    const auto play = [](bool is_streamed, bool resets) -> task<void> {
        std::optional<eddy::sync::cancellation_token> gone;
        const auto app = [&](http::request asked) -> task<http::response> {
            if (asked.method == http::method::head) co_return http::response(http::status::ok);
            gone = asked.client_gone();
            http::response answer(http::status::ok, std::string(10'000, 'a'));
            if (is_streamed) answer.body = http::body::from_reader(io::cursor(std::string(10'000, 'a')));
            co_return answer;
        };
        auto [near, far] = io::duplex(64 * 1024);
        std::vector<nghttp2_settings_entry> no_window(1);
        no_window[0] = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
        std::optional<http2_client> client(std::in_place, std::move(near), no_window);
        http2_client& one = *client;
        auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
        const auto stream = one.ask("GET", "/");
        while (one.at(stream).status != "200") EXPECT_TRUE(co_await one.step());
        const auto first = co_await one.finish(one.ask("HEAD", "/"));  // the service has returned meanwhile
        EXPECT_EQ(first.status, "200");
        EXPECT_FALSE(gone->is_cancelled());
        if (resets) {
            one.reset(stream);
            const auto second = co_await one.finish(one.ask("HEAD", "/"));  // the server has seen the reset
            EXPECT_EQ(second.status, "200");
            EXPECT_TRUE(gone->is_cancelled());
        }
        client.reset();
        static_cast<void>(co_await serving);
        EXPECT_TRUE(gone->is_cancelled());
    };
    for (const bool is_streamed : {false, true})
        for (const bool resets : {false, true}) eddy::test::run_paused([&] { return play(is_streamed, resets); });
}

TEST(Http2Server, AbortCancelsServiceWithToken) {
    eddy::test::run_paused([]() -> task<void> {
        eddy::sync::notify has_begun;
        int running = 0;
        bool has_cleaned_up = false;
        std::optional<eddy::sync::cancellation_token> gone;
        const auto clean_up = [&]() -> task<void> {
            co_await eddy::yield_now();
            has_cleaned_up = true;
        };
        const auto app = [&](http::request asked) -> task<http::response> {
            const counted mark(running);
            gone = asked.client_gone();
            has_begun.notify_one();
            auto working = eddy::finally(eddy::pending<void>(), clean_up);
            co_await working;
            co_return http::response(http::status::ok);
        };
        auto [near, far] = io::duplex(64 * 1024);
        http2_client one(std::move(near), {});
        auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
        one.ask("GET", "/");
        co_await one.flush();
        co_await has_begun.notified();
        serving.abort();
        static_cast<void>(co_await serving);
        EXPECT_EQ(running, 0);
        EXPECT_TRUE(gone->is_cancelled());
        EXPECT_TRUE(has_cleaned_up);
    });
}

TEST(Http2Server, RefusedRequestsAreReportedToAccessLog) {
    std::vector<std::string> log;
    const auto options = http::serve_options().body_limit(3).on_refused([&](const http::refused_request& it) {
        log.push_back(std::to_string(http::to_int(it.status)) + " " + it.method + " " + it.target);
    });
    converse(say_path, options, [&](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.finish(one.ask("BREW", "/a"))).status, "501");
        EXPECT_EQ((co_await one.finish(one.ask("GET", "/a#b"))).status, "400");
        const auto announced = http2_client::list("content-length", "4");
        EXPECT_EQ((co_await one.finish(one.ask("POST", "/c", announced, "x", true))).status, "413");
        EXPECT_EQ((co_await one.get("/fine")).status, "200");
    }).value();
    EXPECT_EQ(log, (std::vector<std::string>{"501  ", "400 GET /a#b", "413 POST /c"}));
}

TEST(Http2Server, ErrorOfServiceEndsConnectionAfterOtherRequests) {
    eddy::sync::notify go;
    const auto app = [&](http::request asked) -> task<result<http::response>> {
        if (asked.path() == "/bad") co_return std::unexpected(std::make_error_code(std::errc::no_space_on_device));
        co_await go.notified();
        co_return http::response(http::status::ok);
    };
    const auto outcome = converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        const auto slow = one.ask("GET", "/slow");
        EXPECT_EQ((co_await one.get("/bad")).status, "500");
        go.notify_one();
        EXPECT_EQ((co_await one.finish(slow)).status, "200");
        co_await one.finish_all();
        EXPECT_EQ(one.goaways().size(), 2U);
        EXPECT_EQ(one.goaways().back().second, std::uint32_t{NGHTTP2_NO_ERROR});
    });
    EXPECT_EQ(outcome.error(), std::errc::no_space_on_device);
}

TEST(Http2Server, ExceptionOfServiceIsRethrownAtEnd) {
    const auto app = [](http::request) -> task<http::response> {
        throw std::runtime_error("broken");
        co_return http::response(http::status::ok);
    };
    const auto get = [](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.get("/")).status, "500");
        co_await one.finish_all();
    };
    EXPECT_THROW(static_cast<void>(converse(app, http::serve_options(), get)), std::runtime_error);
}

TEST(Http2Server, FailureOfBodyReaderResetsStream) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(support::failing_reader()));
    };
    const auto outcome = converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
        const auto got = co_await one.get("/");
        EXPECT_EQ(got.closed, std::uint32_t{NGHTTP2_INTERNAL_ERROR});
        co_await one.finish_all();
    });
    EXPECT_EQ(outcome.error(), std::errc::io_error);
}

TEST(Http2Server, ResponseHeadThatIsTooLargeIsReported) {
    const auto app = [](http::request) -> task<http::response> {
        http::response answer(http::status::ok);
        answer.headers.add("X-Large", std::string(70'000, 'x'));
        co_return answer;
    };
    const auto outcome = converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.get("/")).closed, std::uint32_t{NGHTTP2_INTERNAL_ERROR});
        co_await one.finish_all();
    });
    EXPECT_EQ(outcome.error(), std::errc::message_size);
}

TEST(Http2Server, EndOfConnectionEndsBodiesThatOtherTasksRead) {
    std::optional<eddy::join_handle<std::error_code>> reading;
    eddy::sync::notify has_begun;
    const auto read = [](http::body from) -> task<std::error_code> {
        const auto text = co_await from.read_text();
        co_return text ? std::error_code() : text.error();
    };
    const auto app = [&](http::request asked) -> task<http::response> {
        reading = eddy::spawn(read(std::move(asked.body)));
        has_begun.notify_one();
        co_await eddy::time::sleep(1h);
        co_return http::response(http::status::ok);
    };
    converse(app, http::serve_options(), [&](http2_client& one) -> task<void> {
        one.ask("POST", "/", no_fields, "x", true);
        co_await one.flush();
        co_await has_begun.notified();
        co_await one.close();
        EXPECT_EQ(co_await std::move(*reading), std::errc::connection_reset);
    }).value();
}

// ---- Limits of time ----

TEST(Http2Server, SlowBodyGets408) {
    const auto options = http::serve_options().io_timeout(5s);
    const auto outcome = converse(say_body, options, [](http2_client& one) -> task<void> {
        const auto id = one.ask("POST", "/", no_fields, "x", true);
        const auto begin = eddy::time::clock::now();
        EXPECT_EQ((co_await one.finish(id)).status, "408");
        EXPECT_GE(eddy::time::clock::now() - begin, 5s);
        EXPECT_LE(eddy::time::clock::now() - begin, 6s);
        EXPECT_EQ((co_await one.get("/")).status, "200");  // the connection continues
        EXPECT_TRUE(one.goaways().empty());
    });
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message();  // the fault of the client
}

TEST(Http2Server, SlowBodyOfEchoResetsStream) {
    const auto options = http::serve_options().io_timeout(5s);
    const auto outcome = converse(stream_body, options, [](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.finish(one.ask("POST", "/", no_fields, "x", true))).closed,
                  std::uint32_t{NGHTTP2_INTERNAL_ERROR});
        EXPECT_EQ((co_await one.get("/")).status, "200");  // the connection continues
        EXPECT_TRUE(one.goaways().empty());
    });
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
}

/// Sends a part of a body each second until its stream is closed, or for `most`. Returns how long that takes.
task<std::chrono::duration<double>> send_slowly(http2_client& one, std::int32_t id, std::string each,
                                                std::chrono::seconds most = 1h) {
    const auto begin = eddy::time::clock::now();
    for (auto next = begin + 1s; !one.at(id).closed && next - begin <= most; next += 1s) {
        one.send_more(id, each, false);
        auto receiving = eddy::time::timeout_at(next, one.finish(id));
        static_cast<void>(co_await receiving);
    }
    co_return eddy::time::clock::now() - begin;
}

/// Reads the body in another task.
task<result<http::response>> say_body_of_task(http::request asked) {
    co_return co_await try_(eddy::spawn(say_body(std::move(asked))));
}

TEST(Http2Server, BodyBelowMinimumRateGets408) {
    for (const http::service& app : {http::service(say_body), http::service(say_body_of_task)}) {
        // A byte each second: 240 bytes per second would permit a further second after 240 bytes.
        converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
            const auto id = one.ask("POST", "/", no_fields, "", true);
            const auto after = co_await send_slowly(one, id, "x");
            EXPECT_EQ(one.at(id).status, "408");
            EXPECT_NEAR(after.count(), 30, 0.5);
        }).value();
        // 100 bytes each second, of which each second takes a tenth: 30 s / (1 - 0.1).
        converse(app, http::serve_options().min_body_rate(1000), [](http2_client& one) -> task<void> {
            const auto id = one.ask("POST", "/", no_fields, "", true);
            const auto after = co_await send_slowly(one, id, std::string(100, 'x'));
            EXPECT_EQ(one.at(id).status, "408");
            EXPECT_NEAR(after.count(), 33, 1);
        }).value();
    }
}

TEST(Http2Server, BodyAboveBodyTimeoutGets408) {
    // A quick body whose time has passed; and waits that are shorter than io_timeout(), alone and beside another one.
    converse(say_body, http::serve_options().body_timeout(100s), [](http2_client& one) -> task<void> {
        const auto id = one.ask("POST", "/", no_fields, "", true);
        const auto after = co_await send_slowly(one, id, std::string(1000, 'x'));
        EXPECT_EQ(one.at(id).status, "408");
        EXPECT_NEAR(after.count(), 100, 1);
    }).value();
    for (const std::uint64_t rate : {0, 240}) {
        const auto options = http::serve_options().body_timeout(5s).min_body_rate(rate);
        converse(say_body, options, [](http2_client& one) -> task<void> {
            for (int i = 0; i < 2; ++i) {
                const auto begin = eddy::time::clock::now();
                const auto id = one.ask("POST", "/", no_fields, "hel", true);
                EXPECT_EQ((co_await one.finish(id)).status, "408");
                const std::chrono::duration<double> after = eddy::time::clock::now() - begin;
                EXPECT_NEAR(after.count(), 5, 0.5);
            }
        }).value();
    }
}

TEST(Http2Server, EchoOfBodyBelowMinimumRateIsReset) {
    converse(stream_body, http::serve_options(), [](http2_client& one) -> task<void> {
        const auto id = one.ask("POST", "/", no_fields, "", true);
        const auto after = co_await send_slowly(one, id, "x");
        EXPECT_EQ(one.at(id).closed, std::uint32_t{NGHTTP2_INTERNAL_ERROR});
        EXPECT_NEAR(after.count(), 30, 0.5);
    }).value();
}

TEST(Http2Server, BodyAboveMinimumRateIsReceived) {
    for (const std::uint64_t rate : {50, 0}) {
        converse(say_body, http::serve_options().min_body_rate(rate), [](http2_client& one) -> task<void> {
            const auto id = one.ask("POST", "/", no_fields, "", true);
            static_cast<void>(co_await send_slowly(one, id, std::string(100, 'x'), 10min));
            EXPECT_FALSE(one.at(id).closed);
            one.send_more(id, "", true);
            const auto got = co_await one.finish(id);
            EXPECT_EQ(got.status, "200");
            EXPECT_EQ(got.body.size(), 60'000U);
        }).value();
    }
}

TEST(Http2Server, TimeOfSlowServiceDoesNotCountForItsClient) {
    const auto app = [](http::request asked) -> task<result<http::response>> {
        std::array<std::byte, 1> first{};
        static_cast<void>(co_await try_(io::read(asked.body, first)));
        co_await eddy::time::sleep(10min);
        co_return co_await say_body(std::move(asked));
    };
    converse(app, http::serve_options(), [](http2_client& one) -> task<void> {
        const auto id = one.ask("POST", "/", no_fields, "", true);
        static_cast<void>(co_await send_slowly(one, id, "x", 10min + 25s));
        EXPECT_FALSE(one.at(id).closed);
        one.send_more(id, "", true);
        EXPECT_EQ((co_await one.finish(id)).status, "200");
    }).value();
}

TEST(Http2Server, ClientThatAcceptsNoDataIsReset) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(100'000, 'x'));
    };
    const std::vector<nghttp2_settings_entry> no_window = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}};
    const auto script = [](http2_client& one) -> task<void> {
        const auto id = one.ask("GET", "/");
        const auto begin = eddy::time::clock::now();
        EXPECT_EQ((co_await one.finish(id)).closed, std::uint32_t{NGHTTP2_CANCEL});
        EXPECT_LE(eddy::time::clock::now() - begin, 6s);
    };
    converse(app, http::serve_options().io_timeout(5s), script, no_window).value();
}

TEST(Http2Server, ClientThatReadsNothingEndsConnection) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(200'000, 'x'));
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(4096);
        http2_client one(std::move(near), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}});
        one.ask("GET", "/");
        co_await one.flush();
        const auto begin = eddy::time::clock::now();
        auto serving = http::serve_connection(std::move(far), app, http::serve_options().io_timeout(5s));
        const auto served = co_await std::move(serving);
        EXPECT_TRUE(served.has_value());  // the fault of the client
        EXPECT_EQ(std::chrono::round<std::chrono::seconds>(eddy::time::clock::now() - begin), 5s);
    });
}

TEST(Http2Server, EachSentPartRestartsTheTimeLimit) {
    for (const bool is_streamed : {false, true}) {
        const auto app = [&](http::request) -> task<http::response> {
            std::string text(30'000, 'x');
            if (!is_streamed) co_return http::response(http::status::ok, std::move(text));
            co_return http::response(http::status::ok,
                                     http::body::from_reader(io::cursor<std::string>(std::move(text))));
        };
        const auto script = [](http2_client& one) -> task<void> {
            const auto id = one.ask("GET", "/");
            const auto begin = eddy::time::clock::now();
            co_await one.flush();
            for (int i = 0; i < 3; ++i) {
                co_await eddy::time::sleep(4s);
                nghttp2_submit_window_update(one.session(), NGHTTP2_FLAG_NONE, id, 10'000);
                co_await one.flush();
            }
            const auto got = co_await one.finish(id);
            EXPECT_EQ(got.body.size(), 30'000U);
            EXPECT_EQ(got.closed, 0U);
            EXPECT_EQ(std::chrono::round<std::chrono::seconds>(eddy::time::clock::now() - begin), 12s);
        };
        const std::vector<nghttp2_settings_entry> no_window = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}};
        converse(app, http::serve_options().io_timeout(5s), script, no_window).value();
    }
}

TEST(Http2Server, StreamedResponseThatIsNotTakenIsReset) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok,
                                 http::body::from_reader(io::cursor<std::string>(std::string(100'000, 'x'))));
    };
    const auto script = [](http2_client& one) -> task<void> {
        const auto id = one.ask("GET", "/");
        const auto begin = eddy::time::clock::now();
        const auto got = co_await one.finish(id);
        EXPECT_EQ(got.closed, std::uint32_t{NGHTTP2_CANCEL});
        EXPECT_EQ(std::chrono::round<std::chrono::seconds>(eddy::time::clock::now() - begin), 5s);
    };
    const std::vector<nghttp2_settings_entry> no_window = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}};
    converse(app, http::serve_options().io_timeout(5s), script, no_window).value();
}

TEST(Http2Server, BodyThatArrivesInTimeHasNoLimitInAll) {
    const auto script = [](http2_client& one) -> task<void> {
        const auto id = one.ask("POST", "/", no_fields, "0", true);
        for (int i = 1; i < 6; ++i) {
            co_await one.flush();
            co_await eddy::time::sleep(4s);
            one.send_more(id, std::to_string(i), i == 5);
        }
        const auto got = co_await one.finish(id);
        EXPECT_EQ(got.status, "200");
        EXPECT_EQ(got.body, "012345");
    };
    converse(say_body, http::serve_options().io_timeout(5s).min_body_rate(0), script).value();
}

// ---- Shutdown ----

TEST(Http2Server, ShutdownAnswersRequestsAndEndsConnection) {
    eddy::sync::notify go;
    eddy::sync::notify has_begun;
    const eddy::sync::cancellation_token end;
    const auto app = [&](http::request) -> task<http::response> {
        has_begun.notify_one();
        co_await go.notified();
        co_return http::response(http::status::ok);
    };
    converse(app, http::serve_options().shutdown(end), [&](http2_client& one) -> task<void> {
        const auto id = one.ask("GET", "/");
        co_await one.flush();
        co_await has_begun.notified();
        end.cancel();
        while (one.goaways().empty()) EXPECT_TRUE(co_await one.step());
        EXPECT_EQ(one.goaways()[0].first, 0x7fffffff);  // further requests may still arrive
        go.notify_one();
        EXPECT_EQ((co_await one.finish(id)).status, "200");
        co_await one.finish_all();
        EXPECT_EQ(one.goaways().size(), 2U);
        EXPECT_EQ(one.goaways().back().first, id);
    }).value();
}

TEST(Http2Server, ShutdownContinuesWithoutAnswerToPing) {
    eddy::sync::notify has_begun;
    const eddy::sync::cancellation_token end;
    const auto app = [&](http::request) -> task<http::response> {
        has_begun.notify_one();
        co_await eddy::time::sleep(10s);
        co_return http::response(http::status::ok);
    };
    converse(app, http::serve_options().shutdown(end), [&](http2_client& one) -> task<void> {
        const auto id = one.ask("GET", "/");
        co_await one.flush();
        co_await has_begun.notified();
        end.cancel();
        co_await eddy::time::sleep(2s);
        EXPECT_TRUE(co_await one.step());  // receives what the server has sent meanwhile
        EXPECT_EQ(one.goaways().size(), 2U) << "the server still waits for the answer";
        EXPECT_EQ((co_await one.finish(id)).status, "200");
        co_await one.close();
    }).value();
}

TEST(Http2Server, ShutdownEndsIdleConnection) {
    const eddy::sync::cancellation_token end;
    converse(say_path, http::serve_options().shutdown(end), [&](http2_client& one) -> task<void> {
        EXPECT_EQ((co_await one.get("/")).status, "200");
        end.cancel();
        co_await one.finish_all();
        EXPECT_TRUE(one.has_ended());
        EXPECT_FALSE(one.goaways().empty());
    }).value();
}

TEST(Http2Server, ConnectionEndsAfterMaxRequests) {
    converse(say_path, http::serve_options().max_requests(3), [&](http2_client& one) -> task<void> {
        for (int i = 0; i < 3; ++i) EXPECT_EQ((co_await one.get("/")).status, "200");
        co_await one.finish_all();
        EXPECT_EQ(one.goaways().back().second, std::uint32_t{NGHTTP2_NO_ERROR});
    }).value();
}

}  // namespace
