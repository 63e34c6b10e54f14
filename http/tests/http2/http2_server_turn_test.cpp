// SPDX-License-Identifier: MIT
// What an HTTP/2 server sends although nothing else happens, and what it does not send after a reset: in memory, on a
// paused clock.
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/http/http2_client.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::http2_client;
namespace http = eddy::http;
namespace io = eddy::io;
namespace time = eddy::time;

/// A connection without time limits of its own ends its drain, although the client does not answer PING.
TEST(Http2ServerTurn, ShutdownWithoutTimeLimitsContinuesWithoutAnswerToPing) {
    const eddy::sync::cancellation_token end;
    eddy::sync::notify has_begun;
    const auto app = [&](http::request) -> task<http::response> {
        has_begun.notify_one();
        co_await time::sleep(10s);
        co_return http::response(http::status::ok);
    };
    auto options = http::serve_options().shutdown(end);
    options.io_timeout(std::chrono::nanoseconds::max()).header_timeout(std::chrono::nanoseconds::max());
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        const auto play = [&]() -> task<bool> {
            http2_client one(std::move(near));
            const auto id = one.ask("GET", "/");
            co_await one.flush();
            co_await has_begun.notified();
            end.cancel();
            co_await time::sleep(2s);
            EXPECT_TRUE(co_await one.step());  // receives what the server has sent meanwhile
            EXPECT_EQ(one.goaways().size(), 2U) << "the server still waits for the answer";
            static_cast<void>(co_await one.finish(id));
            co_await one.close();
            co_return true;
        };
        auto both = eddy::join(http::serve_connection(std::move(far), app, options), play());
        static_cast<void>(co_await both);
    });
}

/// A client that never answers: the connection ends by itself.
TEST(Http2ServerTurn, ShutdownOfIdleConnectionWithoutTimeLimitsEnds) {
    const eddy::sync::cancellation_token end;
    const auto app = [&](http::request) -> task<http::response> { co_return http::response(http::status::ok); };
    auto options = http::serve_options().shutdown(end);
    options.io_timeout(std::chrono::nanoseconds::max()).header_timeout(std::chrono::nanoseconds::max());
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(64 * 1024);
        bool has_ended = false;
        const auto serve = [&]() -> task<bool> {
            static_cast<void>(co_await http::serve_connection(std::move(far), app, options));
            has_ended = true;
            co_return true;
        };
        const auto play = [&]() -> task<bool> {
            http2_client one(std::move(near));
            EXPECT_EQ((co_await one.get("/")).status, "200");
            end.cancel();
            co_await time::sleep(60s);
            EXPECT_TRUE(has_ended) << "the server waits without a deadline";
            co_await one.close();
            co_return true;
        };
        auto both = eddy::join(serve(), play());
        static_cast<void>(co_await both);
    });
}

/// A dropped response had a DATA frame that waited for room in the output.
void drop_while_frame_waits(bool is_streamed) {
    constexpr std::size_t size = 256 * 1024;
    const auto options = http::serve_options().response_memory_limit(is_streamed ? 64 * 1024 : size);
    const auto app = [&](http::request) -> task<http::response> {
        if (!is_streamed) co_return http::response(http::status::ok, std::string(size, 'a'));
        co_return http::response(http::status::ok,
                                 http::body::from_reader(io::cursor<std::string>(std::string(size, 'a'))));
    };
    eddy::test::run_paused([&]() -> task<void> {
        auto first = io::duplex(512);
        auto second = io::duplex(512 * 1024);
        const auto ask_both = [&]() -> task<bool> {
            http2_client one(std::move(first.first), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}});
            http2_client other(std::move(second.first), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}});
            nghttp2_submit_window_update(one.session(), NGHTTP2_FLAG_NONE, 0, 1 << 20);
            const int requests = is_streamed ? 2 : 1;
            std::vector<std::int32_t> ids;
            for (int i = 0; i < requests; ++i) ids.push_back(one.ask("GET", "/"));
            co_await one.flush();
            co_await time::sleep(3s);
            const auto got = co_await other.get("/");  // takes the memory of the response that is not read
            EXPECT_EQ(got.status, "200");
            int dropped = 0;
            for (const auto id : ids) {
                const auto answer = co_await one.finish(id);
                dropped += answer.closed == std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM} ? 1 : 0;
                for (const char c : answer.body) {
                    EXPECT_EQ(c, 'a');
                    if (c != 'a') break;
                }
            }
            EXPECT_EQ(dropped, 1);
            co_await one.close();
            co_await one.finish_all();
            co_await other.close();
            co_return true;
        };
        auto all = eddy::join(http::serve_connection(std::move(first.second), app, options),
                              http::serve_connection(std::move(second.second), app, options), ask_both());
        static_cast<void>(co_await all);
    });
}

TEST(Http2ServerTurn, DroppedResponseInMemoryHadFrameThatWaited) { drop_while_frame_waits(false); }
TEST(Http2ServerTurn, DroppedStreamedResponseHadFrameThatWaited) { drop_while_frame_waits(true); }

}  // namespace
