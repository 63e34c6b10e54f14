// SPDX-License-Identifier: MIT
// A server that floods a client of HTTP/2 with frames: over connections in memory, on a paused clock, so that the
// allowances do not grow with time.
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/exchange.hpp"
#include "h2/http2.hpp"
#include "support/http/http2_peer.hpp"

namespace {

using eddy::task;
using peer = support::http2_peer;
namespace http = eddy::http;
namespace io = eddy::io;

constexpr std::uint32_t enhance_your_calm = 11;

std::string repeated(const std::string& frame, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += frame;
    return all;
}

/// The outcome of a request: its body or its error, and the error code of GOAWAY if the client has sent one with it.
struct outcome {
    std::string text;
    std::optional<std::uint32_t> goaway;
};

/// Sends a request with a body. The server calls `play(peer)` after the head of its response, and then sends the body.
template <class Play>
outcome ask(Play play, std::size_t body = 0) {
    outcome got;
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(1 << 20);
        const auto serve = [&]() -> task<bool> {
            peer web{io::boxed_stream(std::move(far))};
            co_await web.begin();
            co_await web.next(peer::headers);
            co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200));
            co_await play(web);
            co_await web.send(peer::data, peer::end_stream, 1, "hi");
            const auto last = co_await web.next(peer::goaway);
            if (!last.is_end) got.goaway = last.code();
            co_return true;
        };
        const auto request = [&]() -> task<bool> {
            auto handle = eddy::detail::start_http2(io::boxed_stream(std::move(near)), -1, http::client_options(), "a");
            http::request asked(http::method::post, "/");
            asked.body = std::string(body, 'x');
            auto exchange = eddy::detail::start_http2_exchange(handle, asked, http::url::parse("http://a/").value());
            auto waiting = eddy::poll_fn([&](eddy::context& cx) { return exchange->poll_head(cx); });
            const auto head = co_await std::move(waiting);
            if (!head) {
                got.text = head.error().message();
                co_return false;
            }
            auto response = exchange->take_response();
            exchange.reset();
            auto text = co_await response.body.read_text();
            got.text = text ? *text : text.error().message();
            co_return true;
        };
        auto both = eddy::join(serve(), request());
        co_await both;
    });
    return got;
}

/// Sends `count` frames in pieces of some KiB: the client reads between them.
task<void> flood(peer& web, const std::string& frame, int count) {
    for (; count > 0; count -= 100) {
        co_await web.send_raw(repeated(frame, std::min(count, 100)));
        co_await eddy::time::sleep(std::chrono::milliseconds(1));
    }
}

TEST(Http2ClientAttack, FloodsOfServerEndConnection) {
    const auto number = [](std::uint32_t value) { return peer::bytes_of(value); };
    const std::pair<const char*, std::string> floods[] = {
        {"PING", peer::frame_of(peer::ping, 0, 0, "12345678")},
        {"PING ACK", peer::frame_of(peer::ping, peer::ack, 0, "12345678")},
        {"WINDOW_UPDATE", peer::frame_of(peer::window_update, 0, 0, number(1))},
        {"WINDOW_UPDATE of a stream", peer::frame_of(peer::window_update, 0, 1, number(1))},
        {"PRIORITY", peer::frame_of(peer::priority, 0, 1, number(3) + "x")},
        {"GOAWAY", peer::frame_of(peer::goaway, 0, 0, number(1) + number(0))},
        {"empty DATA", peer::frame_of(peer::data, 0, 1, "")},
        {"DATA that is only padding", peer::frame_of(peer::data, 8, 1, std::string("\2\0\0", 3))},
        {"SETTINGS", peer::frame_of(peer::settings, 0, 0, "")},
        {"an unknown type", peer::frame_of(0xbb, 0, 1, "x")},
    };
    for (const auto& [name, frame] : floods) {
        const testing::ScopedTrace trace(__FILE__, __LINE__, name);
        const auto few = ask([&](peer& web) { return flood(web, frame, 990); });
        EXPECT_EQ(few.text, "hi");
        EXPECT_EQ(few.goaway.value_or(0), 0U);  // at its end, unless the server has sent GOAWAY
        const auto many = ask([&](peer& web) { return flood(web, frame, 1100); });
        EXPECT_EQ(many.goaway, enhance_your_calm);
        // DATA may have been received to its end.
        const auto violation = make_error_code(http::errc::bad_message).message();
        EXPECT_TRUE(many.text == violation || (frame[3] == peer::data && many.text == "hi")) << many.text;
    }
}

TEST(Http2ClientAttack, FramesOnClosedStreamsAreCounted) {
    // The client has reset stream 1, of which the server does not know yet.
    for (const auto& [frame, is_counted] :
         {std::pair(peer::frame_of(peer::data, 0, 1, "x"), true),
          std::pair(peer::frame_of(peer::data, 0, 1, std::string(256, 'x')), false),
          std::pair(peer::frame_of(peer::headers, peer::end_headers, 1, peer::status_200), true),
          std::pair(peer::frame_of(peer::rst_stream, 0, 1, peer::bytes_of(8)), true)}) {
        std::optional<std::uint32_t> goaway;
        eddy::test::run_paused([&]() -> task<void> {
            auto [near, far] = io::duplex(1 << 20);
            auto handle = eddy::detail::start_http2(io::boxed_stream(std::move(near)), -1, http::client_options(), "a");
            http::request asked(http::method::get, "/");
            auto exchange = eddy::detail::start_http2_exchange(handle, asked, http::url::parse("http://a/").value());
            peer web{io::boxed_stream(std::move(far))};
            co_await web.begin();
            co_await web.next(peer::headers);
            exchange.reset();
            co_await web.next(peer::rst_stream);
            co_await flood(web, frame, 1100);
            handle.reset();
            goaway = (co_await web.next(peer::goaway)).code();
        });
        EXPECT_EQ(goaway, is_counted ? enhance_your_calm : 0U) << testing::PrintToString(frame.substr(0, 20));
    }
}

TEST(Http2ClientAttack, DataPermitsFurtherFrames) {
    const auto play = [](peer& web) -> task<void> {
        const auto ping = peer::frame_of(peer::ping, peer::ack, 0, "12345678");
        for (int i = 0; i < 5000; ++i) co_await web.send_raw(peer::frame_of(peer::data, 0, 1, "x") + ping);
    };
    const auto got = ask(play);
    EXPECT_EQ(got.text.size(), 5002U);
    EXPECT_EQ(got.goaway, 0U);
}

TEST(Http2ClientAttack, ServerThatOpensItsWindowForEachPartIsNotRefused) {
    // After 65,535 bytes, the server opens both windows by 1 KiB at a time, for 4 MB.
    const auto play = [](peer& web) -> task<void> {
        const auto more = peer::frame_of(peer::window_update, 0, 0, peer::bytes_of(1024)) +
                          peer::frame_of(peer::window_update, 0, 1, peer::bytes_of(1024));
        std::size_t received = 0;
        while (received < 4'000'000) {
            const auto part = co_await web.next(peer::data);
            if (part.is_end) break;
            received += part.payload.size();
            if (received >= 65'535) co_await web.send_raw(more);
        }
    };
    const auto got = ask(play, 4'000'000);
    EXPECT_EQ(got.text, "hi");
    EXPECT_EQ(got.goaway, 0U);
}

/// Makes many requests on one connection, which must stay open. `answer(web, stream)` answers each of them, and `check`
/// gets what the client has.
template <class Answer, class Check>
void make_requests(Answer answer, Check check) {
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(1 << 20);
        auto handle = eddy::detail::start_http2(io::boxed_stream(std::move(near)), -1, http::client_options(), "a");
        peer web{io::boxed_stream(std::move(far))};
        co_await web.begin();
        for (int i = 0; i < 1500; ++i) {
            http::request asked(http::method::get, "/");
            auto exchange = eddy::detail::start_http2_exchange(handle, asked, http::url::parse("http://a/").value());
            EXPECT_TRUE(exchange) << i;
            if (!exchange) co_return;
            const auto head = co_await web.next(peer::headers);
            co_await answer(web, head.stream);
            auto waiting = eddy::poll_fn([&](eddy::context& cx) { return exchange->poll_head(cx); });
            const auto got = co_await std::move(waiting);
            check(got);
        }
        EXPECT_TRUE(eddy::detail::is_open(*handle));
    });
}

TEST(Http2ClientAttack, ResetsThatAnswerRequestsAreNotCounted) {
    const auto reset = [](peer& web, std::uint32_t stream) -> task<void> {
        co_await web.send(peer::rst_stream, 0, stream, peer::bytes_of(7));
    };
    make_requests(reset, [](const auto& head) { EXPECT_EQ(head.error().value(), 7); });
}

TEST(Http2ClientAttack, ResponsesPermitFurtherFrames) {
    const auto respond = [](peer& web, std::uint32_t stream) -> task<void> {
        co_await web.send_raw(
            peer::frame_of(peer::ping, peer::ack, 0, "12345678") +
            peer::frame_of(peer::headers, peer::end_headers | peer::end_stream, stream, peer::status_200));
    };
    make_requests(respond, [](const auto& head) { EXPECT_TRUE(head.has_value()); });
}

/// A reader of parts of 10 bytes.
class small_parts {
public:
    explicit small_parts(int count) noexcept : left_(count) {}
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte> into) {
        if (left_ == 0) return eddy::ok(std::size_t{0});
        --left_;
        std::ranges::fill(into.first(10), std::byte{'x'});
        return eddy::ok(std::size_t{10});
    }

private:
    int left_;
};

TEST(Http2ClientAttack, ServerMayAnswerEachSmallPart) {
    eddy::test::run_paused([]() -> task<void> {
        constexpr int parts = 2000;
        auto [near, far] = io::duplex(1 << 20);
        auto handle = eddy::detail::start_http2(io::boxed_stream(std::move(near)), -1, http::client_options(), "a");
        http::request asked(http::method::post, "/");
        asked.body = http::body::from_reader(small_parts(parts));
        auto exchange = eddy::detail::start_http2_exchange(handle, asked, http::url::parse("http://a/").value());
        const auto serve = [](io::duplex_stream stream) -> task<bool> {
            peer web{io::boxed_stream(std::move(stream))};
            co_await web.begin();
            const auto both = peer::frame_of(peer::window_update, 0, 0, peer::bytes_of(10)) +
                              peer::frame_of(peer::window_update, 0, 1, peer::bytes_of(10));
            for (int i = 0; i < parts; ++i) {
                if ((co_await web.next(peer::data)).is_end) co_return false;
                co_await web.send_raw(both);
            }
            co_await web.send(peer::headers, peer::end_headers | peer::end_stream, 1, std::string(peer::status_200));
            co_return true;
        };
        auto waiting = eddy::poll_fn([&](eddy::context& cx) { return exchange->poll_head(cx); });
        auto all = eddy::join(serve(std::move(far)), std::move(waiting));
        const auto [served, head] = co_await all;
        EXPECT_TRUE(served && head);
    });
}

TEST(Http2ClientAttack, EndOfEventLoopSendsGoaway) {
    auto [near, far] = io::duplex(1 << 20);
    std::shared_ptr<eddy::detail::http2_handle> handle;
    eddy::test::run_paused([&]() -> task<void> {
        handle = eddy::detail::start_http2(io::boxed_stream(std::move(near)), -1, http::client_options(), "a");
        co_await eddy::time::sleep(std::chrono::milliseconds(1));
    });
    eddy::test::run_paused([&]() -> task<void> {
        peer web{io::boxed_stream(std::move(far))};
        co_await web.begin();
        const auto last = co_await web.next(peer::goaway);
        EXPECT_FALSE(last.is_end);
        const auto end = co_await web.next(0xff);
        EXPECT_TRUE(end.is_end);
    });
}

}  // namespace
