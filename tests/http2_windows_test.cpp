// SPDX-License-Identifier: MIT
// Back-pressure of HTTP/2: full output buffers and flow-control windows, in memory and on a paused clock.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "http/http2_client.hpp"
#include "support/http2_client.hpp"
#include "support/http2_peer.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::http2_client;
using peer = support::http2_peer;
namespace http = eddy::http;
namespace io = eddy::io;
namespace time = eddy::time;

// A connection collects 64 KiB of frames before it writes them. A body of this size, with the heads of its frames, is
// more than that, and flow control permits it without a WINDOW_UPDATE.
constexpr std::size_t filling_size = 65'535;
// The connections below take a part of the frames at each poll.
constexpr std::size_t pipe_size = 4096;

// ---- Full output ----

TEST(Http2Windows, ServerReadsAgainAfterFullOutputWasSent) {
    const http::service app = [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(asked.path() == "/large" ? filling_size : 1, 'a'));
    };
    const auto talk = [](io::duplex_stream near) -> task<void> {
        const auto began = time::clock::now();
        http2_client one(std::move(near));
        const auto large = one.ask("GET", "/large");
        while (one.at(large).body.empty()) EXPECT_TRUE(co_await one.step());
        const auto small = one.ask("GET", "/small");  // the server does not read at this time
        const auto got = co_await one.finish(small);
        EXPECT_EQ(got.body, "a");
        EXPECT_EQ(one.at(large).body.size(), filling_size);
        EXPECT_EQ(time::clock::now() - began, 0s);  // no time limit has woken the server
        co_await one.close();
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(pipe_size);
        // A task of its own: a join would poll the server whenever the client is woken.
        auto serving = eddy::spawn(http::serve_connection(std::move(far), app));
        co_await talk(std::move(near));
        EXPECT_TRUE((co_await serving).has_value());
    });
}

TEST(Http2Windows, ClientReadsAgainAfterFullOutputWasSent) {
    // Answers before it has received the body, which the client is sending.
    const auto serve = [](io::duplex_stream far) -> task<void> {
        peer one(std::move(far));
        co_await one.begin();
        co_await one.next(peer::data);
        co_await one.answer(1, "early");
        for (;;) {
            const auto part = co_await one.next(peer::data);
            if (part.is_end || part.flags == peer::end_stream) break;
        }
    };
    const auto ask = [](io::duplex_stream near) -> task<std::string> {
        const auto began = time::clock::now();
        const auto on = eddy::detail::start_http2(std::move(near), http::client_options(), "");
        http::request asked(http::method::post, "/");
        asked.body = std::string(filling_size, 'a');
        const auto to = http::url::parse("http://a/");
        const auto exchange = eddy::detail::start_http2_exchange(on, asked, *to);
        const auto head = co_await eddy::poll_fn([&](eddy::context& cx) { return exchange->poll_head(cx); });
        EXPECT_TRUE(head.has_value());
        auto got = exchange->take_response();
        const auto text = co_await got.body.read_text();
        EXPECT_EQ(time::clock::now() - began, 0s);  // no time limit has woken the client
        co_return text.value_or("");
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(pipe_size);
        auto both = eddy::join(serve(std::move(far)), ask(std::move(near)));
        const auto [served, text] = co_await both;
        EXPECT_EQ(text, "early");
    });
}

}  // namespace
