// SPDX-License-Identifier: MIT
// Trailer fields of HTTP/1.1 and HTTP/2, in both directions.
// covers: P147
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "support/http/curl.hpp"
#include "support/http/http_server.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

http::headers field(std::string_view name, std::string_view value) {
    http::headers made;
    made.add(name, value);
    return made;
}

/// More than 8 KiB of fields.
http::headers too_many() {
    http::headers made;
    for (int i = 0; i < 100; ++i) made.add("X-" + std::to_string(i), std::string(100, 'y'));
    return made;
}

std::string shown(const http::headers& fields) {
    std::string text;
    for (const auto& [name, value] : fields) text.append(name).append("=").append(value).append(";");
    return text;
}

http::body streamed(std::string text) { return http::body::from_reader(io::cursor<std::string>(std::move(text))); }

/// Answers with the body and the trailer field Sum of a request, as body and trailer field Sum.
task<result<http::response>> copy(http::request asked) {
    auto text = co_await try_(asked.body.read_text());
    const std::string sum(asked.body.trailers().get("Sum").value_or("none"));
    co_return http::response(http::status::ok,
                             http::body(std::move(text)).with_trailers([sum] { return field("Sum", sum); }));
}

/// Answers with the body while it receives it.
task<http::response> echo(http::request asked) { co_return http::response(http::status::ok, std::move(asked.body)); }

http::request post(http::body body) {
    http::request made(http::method::post, "/");
    made.body = std::move(body);
    return made;
}

/// The parameter tells whether the client uses HTTP/2.
class HttpTrailers : public testing::TestWithParam<bool> {
protected:
    void SetUp() override {
        if (GetParam() && http::alpn_protocols().size() == 1) GTEST_SKIP() << "built without nghttp2";
    }

    /// Serves while `script(client, url)` runs. Returns the report of the server.
    template <class Script>
    net::serve_report talk(http::service app, Script script) {
        eddy::core loop;
        const auto play = [&](net::socket_addr at, const auto&) -> task<void> {
            const http::client web(http::client_options().prior_knowledge(GetParam()).timeout(20s));
            co_await script(web, "http://" + at.to_string() + "/");
        };
        return loop.run(support::serve_http_during(std::move(app), http::serve_options(), play));
    }
};

INSTANTIATE_TEST_SUITE_P(Versions, HttpTrailers, testing::Bool(),
                         [](const auto& which) { return which.param ? "Http2" : "Http1"; });

TEST_P(HttpTrailers, AreSentAndReceivedInBothDirections) {
    talk(copy, [](const http::client& web, const std::string& url) -> task<void> {
        for (const std::string text : {"", "hello"}) {
            auto body = streamed(text).with_trailers([] { return field("Sum", "42"); });
            auto got = (co_await web.send(url, post(std::move(body)))).value();
            EXPECT_TRUE(text.empty() || got.body.trailers().empty());  // the body was not read
            EXPECT_EQ((co_await got.body.read_text()).value(), text);
            EXPECT_EQ(got.body.trailers().get("sum"), "42");
            EXPECT_EQ(got.body.trailers().size(), 1U);
        }
        auto plain = (co_await web.send(url, post("hello"))).value();  // there are none in the request
        EXPECT_EQ((co_await plain.body.read_text()).value(), "hello");
        EXPECT_EQ(plain.body.trailers().get("sum"), "none");
    });
}

TEST_P(HttpTrailers, ArePassedOnWithABody) {
    talk(echo, [](const http::client& web, const std::string& url) -> task<void> {
        const std::string large(500'000, 'x');
        int calls = 0;
        auto body = streamed(large).with_trailers([&calls] {
            ++calls;
            return field("Sum", "42");
        });
        auto got = (co_await web.send(url, post(std::move(body)))).value();
        const auto text = co_await got.body.read_text();
        EXPECT_TRUE(text.value() == large);
        EXPECT_EQ(got.body.trailers().get("sum"), "42");
        EXPECT_EQ(calls, 1);
    });
}

TEST_P(HttpTrailers, FieldsThatDetermineTheMessageAreNotSent) {
    talk(echo, [](const http::client& web, const std::string& url) -> task<void> {
        auto body = streamed("hello").with_trailers([] {
            auto all = field("Content-Length", "1000");
            for (const auto* const name : {"set-cookie", "Transfer-Encoding", "If-Match", "Authorization", "TE"})
                all.add(name, "trailers");
            all.add("If", "yes");
            all.add("Two", "a");
            all.add("Two", "b");
            return all;
        });
        auto got = (co_await web.send(url, post(std::move(body)))).value();
        EXPECT_EQ((co_await got.body.read_text()).value(), "hello");
        const auto trailers = got.body.trailers();
        EXPECT_EQ(trailers.size(), 3U) << shown(trailers);
        EXPECT_EQ(trailers.get("if"), "yes");
        EXPECT_EQ(trailers.count("two"), 2U);
    });
}

TEST_P(HttpTrailers, AboveTheirLimitAreRefused) {
    talk(copy, [](const http::client& web, const std::string& url) -> task<void> {
        const auto refused = co_await web.send(url, post(streamed("hello").with_trailers(too_many)));
        EXPECT_EQ(refused.value().status, http::status::bad_request);
    });
    const auto too_large = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body("hello").with_trailers(too_many));
    };
    talk(too_large, [](const http::client& web, const std::string& url) -> task<void> {
        auto got = (co_await web.get(url)).value();
        EXPECT_EQ((co_await got.body.read_text()).error(), http::errc::bad_message);
        EXPECT_TRUE(got.body.trailers().empty());
    });
}

TEST_P(HttpTrailers, ExceptionOfTheirFunctionEndsTheResponse) {
    const auto fails = [](http::request) -> task<http::response> {
        co_return http::response(http::status::ok, http::body("hello").with_trailers(
                                                       []() -> http::headers { throw std::runtime_error("no sum"); }));
    };
    const auto report = talk(fails, [](const http::client& web, const std::string& url) -> task<void> {
        auto got = co_await web.get(url);
        if (!got) co_return;
        const auto text = co_await got->body.read_text();
        EXPECT_FALSE(text.has_value());
    });
    EXPECT_EQ(report.failed, 1U);
}

TEST_P(HttpTrailers, ExceptionOfTheirFunctionReachesTheSenderOfARequest) {
    talk(copy, [](const http::client& web, const std::string& url) -> task<void> {
        auto body = streamed("hello").with_trailers([]() -> http::headers { throw std::runtime_error("no sum"); });
        std::string thrown;
        try {
            const auto got = co_await web.send(url, post(std::move(body)));
            EXPECT_FALSE(got.has_value());
        } catch (const std::runtime_error& error) {
            thrown = error.what();
        }
        EXPECT_EQ(thrown, "no sum");
    });
}

#ifdef EDDY_TEST_ZLIB
TEST_P(HttpTrailers, RemainThoseOfACompressedBody) {
    const std::string large(100'000, 'x');
    const auto app = [&](http::request) -> task<result<http::response>> {
        auto answer = http::response::text("");
        answer.body = streamed(large).with_trailers([] { return field("Sum", "42"); });
        co_return answer;
    };
    talk(app | http::compress(), [&](const http::client& web, const std::string& url) -> task<void> {
        auto got = (co_await web.get(url)).value();
        EXPECT_EQ(got.headers.get("Vary"), "Accept-Encoding");
        EXPECT_TRUE((co_await got.body.read_text()).value() == large);
        EXPECT_EQ(got.body.trailers().get("sum"), "42");
    });
}
#endif

// ---- The bytes of HTTP/1.1 ----

/// Sends `request` on a connection of its own, and returns the response without its field Date.
std::string answer_to(http::service app, std::string request) {
    eddy::core loop;
    std::string text;
    const auto play = [&](net::socket_addr at, const auto&) -> task<void> {
        auto connected = co_await net::tcp_stream::connect(at);
        auto stream = std::move(connected).value();
        const auto sent = co_await io::write_all(stream, request);
        EXPECT_TRUE(sent.has_value());
        text = co_await support::receive_all(stream);
    };
    loop.run(support::serve_http_during(std::move(app), http::serve_options(), play));
    const auto date = text.find("Date: ");
    return date == std::string::npos ? text : text.erase(date, text.find("\r\n", date) + 2 - date);
}

task<http::response> summed(http::request) {
    co_return http::response(http::status::ok, http::body("hello").with_trailers([] { return field("Sum", "42"); }));
}

TEST(HttpTrailersText, FollowTheLastChunk) {
    EXPECT_EQ(answer_to(summed, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
              "5\r\nhello\r\n0\r\nSum: 42\r\n\r\n");
}

TEST(HttpTrailersText, AreNotSentWithoutChunks) {
    EXPECT_EQ(answer_to(summed, "GET / HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello");
    EXPECT_EQ(answer_to(summed, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

TEST_P(HttpTrailers, CurlReceivesThem) {
    talk(summed, [](const http::client&, const std::string& url) -> task<void> {
        const auto* const version = GetParam() ? "--http2-prior-knowledge" : "--http1.1";
        auto fetching = eddy::spawn_blocking([=] { return support::curl({version, "-D", "/dev/stderr", url}); });
        const auto got = co_await fetching;
        EXPECT_EQ(got.value().out, "hello");
        EXPECT_NE(got.value().err.find(GetParam() ? "\r\nsum: 42\r\n" : "\r\nSum: 42\r\n"), std::string::npos)
            << got.value().err;
    });
}

TEST(HttpTrailersText, AreReceivedWithoutSpaceAroundValues) {
    const auto show = [](http::request asked) -> task<result<http::response>> {
        const auto text = co_await try_(asked.body.read_text());
        co_return http::response(http::status::ok, text + " " + shown(asked.body.trailers()));
    };
    EXPECT_EQ(answer_to(show,
                        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "5\r\nhello\r\n0\r\nSum: \t42 \r\nEmpty:\r\nHost: b\r\nColon: a:b\r\n\r\n"),
              "HTTP/1.1 200 OK\r\nContent-Length: 30\r\nConnection: close\r\n\r\nhello Sum=42;Empty=;Colon=a:b;");
}

}  // namespace
