// SPDX-License-Identifier: MIT
// The time limits of HTTP/2 in the client of eddy::http: over connections in memory, on a paused clock, with a server
// that sends single frames.
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "client/exchange.hpp"
#include "h2/http2.hpp"
#include "support/http/http2_peer.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using peer = support::http2_peer;
namespace http = eddy::http;
namespace io = eddy::io;

/// A connection of a client, without the pool of connections.
class one_connection {
public:
    one_connection(io::boxed_stream below, const http::client_options& options)
        : handle_(eddy::detail::start_http2(std::move(below), -1, options, "a")) {}

    bool is_open() const { return eddy::detail::is_open(*handle_); }
    /// Sends a request. Returns the error, or no error after the head of the response.
    task<std::error_code> send(http::request asked) {
        const auto to = http::url::parse("http://a/").value();
        exchange_ = eddy::detail::start_http2_exchange(handle_, asked, to);
        if (!exchange_) co_return std::make_error_code(std::errc::not_connected);
        auto waiting = eddy::poll_fn([this](eddy::context& cx) { return exchange_->poll_head(cx); });
        const auto head = co_await std::move(waiting);
        co_return head ? std::error_code() : head.error();
    }
    task<std::error_code> get() { return send(http::request(http::method::get, "/")); }
    /// Returns the response of the last request.
    http::response take_response() { return exchange_->take_response(); }
    void drop() { exchange_.reset(); }

private:
    std::shared_ptr<eddy::detail::http2_handle> handle_;
    std::shared_ptr<eddy::detail::client_exchange> exchange_;
};

/// Runs `script(client)` while `server(peer)` has the other end.
template <class Server, class Script>
void converse(const http::client_options& options, Server server, Script script, std::size_t capacity = 1 << 20) {
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = io::duplex(capacity);
        const auto serving = [&]() -> task<bool> {
            peer web{io::boxed_stream(std::move(far))};
            co_await web.begin();
            co_await server(web);
            co_return true;
        };
        const auto running = [&]() -> task<bool> {
            one_connection client(io::boxed_stream(std::move(near)), options);
            co_await script(client);
            co_return true;
        };
        auto both = eddy::join(serving(), running());
        const auto [served, ran] = co_await both;
        EXPECT_TRUE(served && ran);
    });
}

/// Returns how long `work` takes, in seconds, and sets its output.
task<std::chrono::seconds> time_of(task<std::error_code> work, std::error_code& got) {
    const auto begin = eddy::time::clock::now();
    got = co_await std::move(work);
    co_return std::chrono::round<std::chrono::seconds>(eddy::time::clock::now() - begin);
}

http::request post(std::size_t size, bool is_streamed) {
    http::request made(http::method::post, "/");
    std::string text(size, 'x');
    if (is_streamed) {
        made.body = http::body::from_reader(io::cursor<std::string>(std::move(text)));
    } else {
        made.body = std::move(text);
    }
    return made;
}

const http::client_options limits = http::client_options().io_timeout(5s).ping_interval(100s).idle_timeout(50s);

TEST(Http2ClientTimes, BodyThatServerDoesNotTakeTimesOut) {
    // The server opens the window for the first 65,535 bytes only.
    for (const bool is_streamed : {false, true}) {
        const auto server = [](peer& web) -> task<void> {
            const auto reset = co_await web.next(peer::rst_stream);
            EXPECT_EQ(reset.stream, 1U);
            EXPECT_EQ(reset.code(), 8U);
            co_await web.next(peer::headers);
            co_await web.answer(3, "");
            co_await web.next(peer::goaway);
        };
        converse(limits, server, [&](one_connection& client) -> task<void> {
            std::error_code got;
            EXPECT_EQ(co_await time_of(client.send(post(200'000, is_streamed)), got), 5s);
            EXPECT_EQ(got, eddy::errc::timed_out);
            EXPECT_EQ(co_await client.get(), std::error_code());  // the connection goes on
        });
    }
}

TEST(Http2ClientTimes, ResponseEndsWhenServerTakesNoMoreOfBody) {
    for (const bool is_streamed : {false, true}) {
        const auto server = [](peer& web) -> task<void> {
            co_await web.next(peer::headers);
            co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200));
            co_await web.send(peer::data, 0, 1, "part");
            EXPECT_EQ((co_await web.next(peer::rst_stream)).code(), 8U);
            co_await web.next(peer::goaway);
        };
        converse(limits, server, [&](one_connection& client) -> task<void> {
            EXPECT_EQ(co_await client.send(post(200'000, is_streamed)), std::error_code());
            auto page = client.take_response();
            const auto begin = eddy::time::clock::now();
            std::array<std::byte, 10> some{};
            EXPECT_EQ((co_await io::read(page.body, some)).value(), 4U);
            EXPECT_EQ((co_await io::read(page.body, some)).error(), eddy::errc::timed_out);
            EXPECT_EQ(std::chrono::round<std::chrono::seconds>(eddy::time::clock::now() - begin), 5s);
        });
    }
}

TEST(Http2ClientTimes, EachTakenPartOfBodyRestartsTheLimit) {
    for (const bool is_streamed : {false, true}) {
        const auto server = [](peer& web) -> task<void> {
            co_await web.next(peer::headers);
            for (int i = 0; i < 5; ++i) {
                co_await eddy::time::sleep(4s);
                co_await web.send(peer::window_update, 0, 1, peer::bytes_of(30'000));
                co_await web.send(peer::window_update, 0, 0, peer::bytes_of(30'000));
            }
            co_await web.answer(1, "");
            co_await web.next(peer::goaway);
        };
        converse(limits, server, [&](one_connection& client) -> task<void> {
            std::error_code got;
            EXPECT_EQ(co_await time_of(client.send(post(200'000, is_streamed)), got), 20s);
            EXPECT_EQ(got, std::error_code());
        });
    }
}

TEST(Http2ClientTimes, ConnectionThatAcceptsNoBytesTimesOut) {
    const auto server = [](peer& web) -> task<void> {
        co_await web.next(peer::headers);
        co_await eddy::time::sleep(1h);  // reads nothing
    };
    const auto script = [](one_connection& client) -> task<void> {
        std::error_code got;
        EXPECT_EQ(co_await time_of(client.send(post(60'000, false)), got), 5s);
        EXPECT_EQ(got, eddy::errc::timed_out);
        EXPECT_FALSE(client.is_open());
    };
    converse(limits, server, script, 4096);
}

TEST(Http2ClientTimes, SilentBodyTimesOutAfterReaderHasWaited) {
    const auto server = [](peer& web) -> task<void> {
        co_await web.next(peer::headers);
        co_await web.send(peer::headers, peer::end_headers, 1, std::string(peer::status_200));
        co_await web.send(peer::data, 0, 1, "part");
        EXPECT_EQ((co_await web.next(peer::rst_stream)).code(), 8U);
        co_await web.next(peer::goaway);
    };
    converse(limits, server, [](one_connection& client) -> task<void> {
        EXPECT_EQ(co_await client.get(), std::error_code());
        auto page = client.take_response();
        co_await eddy::time::sleep(60s);  // no request waits for the server meanwhile
        std::array<std::byte, 10> some{};
        EXPECT_EQ((co_await io::read(page.body, some)).value(), 4U);
        const auto begin = eddy::time::clock::now();
        EXPECT_EQ((co_await io::read(page.body, some)).error(), eddy::errc::timed_out);
        EXPECT_EQ(std::chrono::round<std::chrono::seconds>(eddy::time::clock::now() - begin), 5s);
    });
}

TEST(Http2ClientTimes, ServerThatDoesNotAnswerPingEndsConnection) {
    const auto server = [](peer& web) -> task<void> {
        EXPECT_FALSE((co_await web.next(peer::ping)).is_end);
        EXPECT_TRUE((co_await web.next(peer::ping)).is_end);
    };
    converse(limits, server, [](one_connection& client) -> task<void> {
        std::error_code got;
        EXPECT_EQ(co_await time_of(client.get(), got), 110s);  // the interval, and the time for the answer
        EXPECT_EQ(got, eddy::errc::timed_out);
        EXPECT_FALSE(client.is_open());
    });
}

TEST(Http2ClientTimes, ServerThatAnswersPingKeepsConnection) {
    const auto server = [](peer& web) -> task<void> {
        for (int i = 0; i < 3; ++i)
            co_await web.send(peer::ping, peer::ack, 0, (co_await web.next(peer::ping)).payload);
        co_await web.answer(1, "late");
        co_await web.next(peer::goaway);
    };
    converse(limits, server, [](one_connection& client) -> task<void> {
        std::error_code got;
        EXPECT_EQ(co_await time_of(client.get(), got), 300s);
        EXPECT_EQ(got, std::error_code());
    });
}

/// A connection that receives nothing, and whose writes fail.
struct broken_output {
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context&, std::span<std::byte>) {
        return eddy::not_ready;
    }
    eddy::poll_result<eddy::result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte>) {
        return eddy::result<std::size_t>(std::unexpect, std::make_error_code(std::errc::broken_pipe));
    }
    eddy::poll_result<eddy::result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<eddy::result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }
};

TEST(Http2ClientTimes, ConnectionThatCannotSendEnds) {
    eddy::test::run_paused([]() -> task<void> {
        one_connection client(io::boxed_stream(broken_output()), limits);
        std::error_code got;
        EXPECT_EQ(co_await time_of(client.get(), got), 10s);  // the server may have answered before
        EXPECT_EQ(got, std::errc::broken_pipe);
        EXPECT_FALSE(client.is_open());
    });
}

TEST(Http2ClientTimes, IdleConnectionEndsAfterItsLimit) {
    const auto server = [](peer& web) -> task<void> {
        co_await web.next(peer::headers);
        co_await web.answer(1, "");
        const auto begin = eddy::time::clock::now();
        EXPECT_EQ((co_await web.next(peer::goaway)).code(), 0U);
        EXPECT_EQ(std::chrono::round<std::chrono::seconds>(eddy::time::clock::now() - begin), 50s);
        EXPECT_TRUE((co_await web.next(peer::goaway)).is_end);
    };
    converse(limits, server, [](one_connection& client) -> task<void> {
        EXPECT_EQ(co_await client.get(), std::error_code());
        client.drop();
        co_await eddy::time::sleep(49s);
        EXPECT_TRUE(client.is_open());
        co_await eddy::time::sleep(2s);
        EXPECT_FALSE(client.is_open());
        EXPECT_EQ(co_await client.get(), std::make_error_code(std::errc::not_connected));
    });
}

}  // namespace
