// SPDX-License-Identifier: MIT
// HTTP/2 of eddy::http over connections in memory, on a paused clock. The client is nghttp2, or a raw_client
// that sends frames that nghttp2 does not send.
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

#include "support/http2_client.hpp"
#include "support/stress.hpp"

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
        const auto id = one.ask("POST", "/", no_fields, std::string(1'000'000, 'x'));
        while (nghttp2_session_get_stream_remote_window_size(one.session(), id) != 0) EXPECT_TRUE(co_await one.step());
        EXPECT_EQ((co_await eddy::time::timeout(1s, one.step())).has_value(), false) << "the window has grown";
        go.notify_one();
        EXPECT_EQ((co_await one.finish(id)).body, "1000000");
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
    EXPECT_EQ(outcome.error(), http::errc::body_too_large);  // the service has returned it
}

TEST(Http2Server, TrailersOfRequestsAreDropped) {
    converse(say_body, http::serve_options(), [](http2_client& one) -> task<void> {
        const auto id = one.ask("POST", "/", no_fields, "hi", true);
        co_await one.flush();
        one.end_with_trailer(id, "x-trailer", "y");
        EXPECT_EQ((co_await one.finish(id)).body, "hi");
    }).value();
}

TEST(Http2ServerStress, BodiesAreReadOnOtherThreads) {
    const auto connections = std::max<std::uint64_t>(4, support::rounds(400));
    eddy::runtime pool(eddy::runtime::builder().worker_threads(2).build().value());
    const auto answered = pool.block_on([&]() -> task<int> {
        const auto read = [](http::body from) -> task<std::size_t> {
            const auto text = co_await from.read_text();
            co_return text ? text->size() : 0;
        };
        const http::service app([read](http::request asked) -> task<http::response> {
            const auto size = co_await eddy::spawn(read(std::move(asked.body)));
            co_return http::response(http::status::ok, std::to_string(size.value()));
        });
        const auto talk = [](io::duplex_stream near) -> task<int> {
            http2_client one(std::move(near));
            std::vector<std::int32_t> ids;
            for (int i = 0; i < 5; ++i) ids.push_back(one.ask("POST", "/", no_fields, std::string(300'000, 'x')));
            const auto cancelled = one.ask("POST", "/", no_fields, std::string(1000, 'x'), true);
            co_await one.flush();
            one.reset(cancelled);
            int count = 0;
            for (const auto id : ids) {
                const auto got = co_await one.finish(id);
                if (got.body == "300000") ++count;
            }
            co_await one.close();
            co_return count;
        };
        int sum = 0;
        for (std::uint64_t i = 0; i < connections; ++i) {
            auto [near, far] = io::duplex(10'000);
            auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
            sum += (co_await eddy::spawn(talk(std::move(near)))).value();
            const auto served = co_await std::move(serving);
            EXPECT_TRUE(served.has_value() && served->has_value());
        }
        co_return sum;
    }());
    EXPECT_EQ(answered, static_cast<int>(5 * connections));
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
        EXPECT_EQ(co_await status_of("GET", "/", http2_client::list(":authority", "user@host")), "400");
        EXPECT_EQ(co_await status_of("GET", "/", many), "431");
        EXPECT_EQ(co_await status_of("GET", "/", http2_client::list("x", std::string(8000, 'y'))), "431");
        EXPECT_EQ(co_await status_of("GET", "/" + std::string(8000, 'y')), "414");
        EXPECT_EQ(co_await status_of("POST", "/", http2_client::list("expect", "magic")), "417");
        EXPECT_EQ(co_await status_of("GET", "/fine"), "200");
        EXPECT_EQ(co_await status_of("GET", "/fine", http2_client::list("host", "a")), "200");
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
    EXPECT_THROW(converse(app, http::serve_options(),
                          [](http2_client& one) -> task<void> {
                              EXPECT_EQ((co_await one.get("/")).status, "500");
                              co_await one.finish_all();
                          }),
                 std::runtime_error);
}

/// A reader that fails after some bytes.
struct failing_reader {
    int left = 3;
    eddy::poll_result<result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        if (left-- == 0) return result<std::size_t>(std::unexpect, std::make_error_code(std::errc::io_error));
        into[0] = std::byte{'x'};
        return eddy::ok(std::size_t{1});
    }
};

TEST(Http2Server, FailureOfBodyReaderResetsStream) {
    const auto app = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body::from_reader(failing_reader()));
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
    });
    EXPECT_EQ(outcome.error(), eddy::errc::timed_out);
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

// ---- Attacks ----

/// A client that sends any bytes, without nghttp2.
class raw_client {
public:
    explicit raw_client(io::duplex_stream&& stream) : stream_(std::move(stream)) {}

    task<bool> send(std::string bytes) {
        const auto sent = co_await io::write_all(stream_, bytes);
        co_return sent.has_value();
    }
    /// Receives up to the end of the connection.
    task<std::string> receive_all() {
        std::string text;
        std::array<std::byte, 4096> some{};
        for (;;) {
            const auto count = co_await io::read(stream_, some);
            if (!count || *count == 0) co_return text;
            text.append(reinterpret_cast<const char*>(some.data()), *count);
        }
    }
    task<void> close() {
        static_cast<void>(co_await eddy::poll_fn([this](eddy::context& cx) { return stream_.poll_shutdown(cx); }));
    }

private:
    io::duplex_stream stream_;
};

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload = "") {
    std::string made;
    for (const auto shift : {16, 8, 0}) made += static_cast<char>(payload.size() >> shift);
    made += static_cast<char>(type);
    made += static_cast<char>(flags);
    for (const auto shift : {24, 16, 8, 0}) made += static_cast<char>(stream >> shift);
    return made.append(payload);
}
std::string number(std::uint32_t value) {
    std::string made;
    for (const auto shift : {24, 16, 8, 0}) made += static_cast<char>(value >> shift);
    return made;
}
const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(NGHTTP2_SETTINGS, 0, 0);
const std::string get_fields =
    "\x82\x86\x84\x41\x01"
    "a";  // GET, http, /, :authority: a

/// Returns the error code of the last GOAWAY in `bytes`, or nullopt.
std::optional<std::uint32_t> goaway_in(std::string_view bytes) {
    std::optional<std::uint32_t> found;
    while (bytes.size() >= 9) {
        const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
        const std::size_t size = at(0) << 16 | at(1) << 8 | at(2);
        if (bytes.size() < 9 + size) break;
        if (at(3) == NGHTTP2_GOAWAY) found = at(13) << 24 | at(14) << 16 | at(15) << 8 | at(16);
        bytes.remove_prefix(9 + size);
    }
    return found;
}

/// Sends the preface and the parts, and returns the error code of the GOAWAY with which the server ends the connection.
/// The server answers each part before the next one is sent.
std::optional<std::uint32_t> end_after(http::service app, std::vector<std::string> parts,
                                       http::serve_options options = http::serve_options()) {
    return eddy::test::run_paused([&]() -> task<std::optional<std::uint32_t>> {
        auto [near, far] = io::duplex(64 * 1024);
        raw_client one(std::move(near));
        const auto send = [&]() -> task<bool> {
            bool is_sent = co_await one.send(preface);
            for (auto& part : parts) {
                if (is_sent) is_sent = co_await one.send(std::move(part));
                co_await eddy::time::sleep(1ms);
            }
            co_return is_sent;
        };
        // Sends and receives at the same time: the server stops reading while the client does not read its answers.
        auto all = eddy::join(http::serve_connection(std::move(far), app, options), send(), one.receive_all());
        auto [served, sent, got] = co_await all;
        EXPECT_TRUE(served.has_value());
        co_return goaway_in(got);
    });
}
std::optional<std::uint32_t> end_after(http::service app, std::string bytes,
                                       http::serve_options options = http::serve_options()) {
    return end_after(std::move(app), std::vector<std::string>(1, std::move(bytes)), std::move(options));
}

TEST(Http2Server, RapidResetEndsConnection) {
    int running = 0;
    int most = 0;
    const auto app = [&](http::request) -> task<http::response> {
        const counted mark(running);
        most = std::max(most, running);
        co_await eddy::time::sleep(1h);
        co_return http::response(http::status::ok);
    };
    std::string attack;
    for (std::uint32_t i = 1; i < 2500; i += 2)
        attack += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, i, get_fields) +
                  frame(NGHTTP2_RST_STREAM, 0, i, number(NGHTTP2_CANCEL));
    // Some versions of nghttp2 have a limit of their own, which ends the connection with INTERNAL_ERROR.
    const auto ended = end_after(app, attack);
    EXPECT_TRUE(ended && *ended != NGHTTP2_NO_ERROR);
    EXPECT_LE(most, 200);
}

TEST(Http2Server, ServerMadeToResetStreamsEndsConnection) {
    std::string attack;
    for (std::uint32_t i = 1; i < 4500; i += 2)
        attack += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, i, get_fields) +
                  frame(NGHTTP2_WINDOW_UPDATE, 0, i, number(0x7fffffff));  // overflows
    EXPECT_EQ(end_after(say_body, attack), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
}

TEST(Http2Server, RequestsThatResetTheirStreamsEndConnection) {
    // Content-Length is 2, and the body has three bytes. The first of them is valid.
    const std::string head(
        "\x83\x86\x84\x41\x01"
        "a"
        "\x0f\x0d\x01"
        "2",
        10);
    std::vector<std::string> attack(
        50);  // in parts, so that the server sends RST_STREAM before it has too many streams
    for (std::uint32_t i = 0; i < 2500; ++i) {
        const std::uint32_t id = 2 * i + 1;
        attack[i / 50] += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, head) + frame(NGHTTP2_DATA, 0, id, "x") +
                          frame(NGHTTP2_DATA, 0, id, "xx");
    }
    EXPECT_EQ(end_after(say_body, attack), std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
}

TEST(Http2Server, FloodsEndConnection) {
    const auto flood = [](const std::string& one, int times) {
        std::string all;
        for (int i = 0; i < times; ++i) all += one;
        return all;
    };
    const std::uint32_t calm = NGHTTP2_ENHANCE_YOUR_CALM;
    const std::string head = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_PING, 0, 0, "12345678"), 3000)), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_SETTINGS, 0, 0), 3000)), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(NGHTTP2_PRIORITY, 0, 1, number(0) + "x"), 3000)), calm);
    EXPECT_EQ(end_after(say_body, head + flood(frame(NGHTTP2_DATA, 0, 1), 3000)), calm);
    EXPECT_EQ(end_after(say_path, flood(frame(0x77, 0, 0), 3000)), calm);
}

TEST(Http2Server, ContinuationFloodEndsConnection) {
    const std::string field = std::string("\x40\x01x\x7f\x81\x07", 6) + std::string(262, 'y');
    std::string attack = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, get_fields);
    std::string empty = attack;
    for (int i = 0; i < 1500; ++i) {
        attack += frame(NGHTTP2_CONTINUATION, 0, 1, field);
        empty += frame(NGHTTP2_CONTINUATION, 0, 1);
    }
    const auto ended = end_after(say_path, attack);
    EXPECT_TRUE(ended && *ended != NGHTTP2_NO_ERROR);
    const auto ended_empty = end_after(say_path, empty);
    EXPECT_TRUE(ended_empty && *ended_empty != NGHTTP2_NO_ERROR);
}

TEST(Http2Server, HpackBombGets431) {
    // One field of 4000 bytes in the dynamic table, then 15,000 references of one byte to it.
    std::string block = get_fields + std::string("\x40\x01x\x7f\xa1\x1e", 6) + std::string(4000, 'y');
    std::string attack = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block);
    attack += frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 3,
                    get_fields + std::string(15'000, '\xbe'));
    attack += frame(NGHTTP2_GOAWAY, 0, 0, number(0) + number(0));
    int calls = 0;
    const auto app = [&](http::request) -> task<http::response> {
        ++calls;
        co_return http::response(http::status::ok);
    };
    EXPECT_EQ(end_after(app, attack), std::nullopt);
    EXPECT_EQ(calls, 1);
}

/// The connection of a client that sends `first` and then never stops to open the window of the connection.
class window_flood {
public:
    window_flood(std::string first, std::string& answers) : first_(std::move(first)), answers_(&answers) {}

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (!cx.consume_budget()) return eddy::not_ready;
        const auto text = std::exchange(first_, frame(NGHTTP2_WINDOW_UPDATE, 0, 0, number(1)));
        std::ranges::copy(std::as_bytes(std::span(text)), into.begin());
        return eddy::ok(text.size());
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        answers_->append(reinterpret_cast<const char*>(from.data()), from.size());
        return eddy::ok(from.size());
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

private:
    std::string first_;
    std::string* answers_;
};

/// Serves a window_flood until it ends, or until `seconds` have passed. Returns the answers.
std::string answers_to_flood(std::string first, http::serve_options options, int seconds) {
    std::string answers;
    eddy::test::run_paused([&]() -> task<void> {
        const auto wait = [&]() -> task<result<void>> {
            for (int i = 0; i < seconds; ++i) co_await eddy::test::advance(1s);
            ADD_FAILURE() << "the connection has not ended";
            co_return eddy::ok();
        };
        auto ended = eddy::race(http::serve_connection(window_flood(first, answers), say_body, options), wait());
        static_cast<void>(co_await ended);
    });
    return answers;
}

TEST(Http2Server, TimeLimitsHoldWhileClientKeepsSending) {
    const auto ask = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get_fields);  // its body does not follow
    const auto answers = answers_to_flood(preface + ask, http::serve_options().io_timeout(5s), 20);
    EXPECT_EQ(goaway_in(answers), std::uint32_t{NGHTTP2_NO_ERROR});
}

TEST(Http2Server, ShutdownIsNotHeldUpByClientThatKeepsSending) {
    const eddy::sync::cancellation_token end;
    end.cancel();
    const auto answers = answers_to_flood(preface, http::serve_options().shutdown(end), 20);
    EXPECT_EQ(goaway_in(answers), std::uint32_t{NGHTTP2_NO_ERROR});
}

TEST(Http2Server, HeadThatIsNotCompletedEndsConnection) {
    const auto begin = frame(NGHTTP2_HEADERS, 0, 1, get_fields);  // without END_HEADERS
    EXPECT_EQ(end_after(say_path, begin, http::serve_options().header_timeout(3s)),
              std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
}

TEST(Http2Server, FramesOnEndedStreamsEndConnection) {
    const auto ask = frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, get_fields);
    const auto reset = frame(NGHTTP2_RST_STREAM, 0, 1, number(NGHTTP2_CANCEL));
    EXPECT_EQ(end_after(say_path, ask + reset + ask), std::uint32_t{NGHTTP2_STREAM_CLOSED});
    EXPECT_EQ(end_after(say_path, ask + reset + frame(NGHTTP2_DATA, 0, 1, "x")), std::uint32_t{NGHTTP2_STREAM_CLOSED});
}

}  // namespace
