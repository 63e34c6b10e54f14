// SPDX-License-Identifier: MIT
// How the idle connections of a client end: at their time limit, when the server ends them, with the client, and with
// the event loop. The server sees an orderly end in each case: with TLS, close_notify.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "h2/http2.hpp"
#include "support/gate.hpp"
#include "support/http/http2_peer.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"
#ifdef EDDY_TEST_HTTPS
#include "support/tls_pair.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using peer = support::http2_peer;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

/// Notes how the input of a connection ends: "end", or the error.
class noting_stream {
public:
    noting_stream(io::boxed_stream&& below, std::string& into) : below_(std::move(below)), into_(&into) {}

    eddy::poll_result<result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        auto count = below_.poll_read(cx, into);
        if (count && !*count) *into_ = count->error().message();
        if (count && *count && **count == 0 && !into.empty()) *into_ = "end";
        return count;
    }
    eddy::poll_result<result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte> from) {
        return below_.poll_write(cx, from);
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context& cx) { return below_.poll_flush(cx); }
    eddy::poll_result<result<void>> poll_shutdown(eddy::context& cx) { return below_.poll_shutdown(cx); }

private:
    io::boxed_stream below_;
    std::string* into_;
};

enum class way { plain, tls, tls_http2 };
constexpr way ways[] = {
    way::plain,
#ifdef EDDY_TEST_HTTPS
    way::tls,
    way::tls_http2,
#endif
};

const char* name_of(way how) {
    if (how == way::plain) return "plain";
    return how == way::tls ? "TLS" : "HTTP/2 over TLS";
}

/// A server with an event loop of its own. Answers one request of each connection, and then reads it to its end.
class reading_server {
public:
    /// With `ends_first`, the server ends its direction after the response.
    explicit reading_server(way how, bool ends_first = false)
        : how_(how), ends_first_(ends_first), thread_([this] {
              eddy::core loop;
              static_cast<void>(loop.run(end_.run_until_cancelled(serve())));
          }) {
        EXPECT_TRUE(is_bound_.wait());
    }
    reading_server(const reading_server&) = delete;
    reading_server& operator=(const reading_server&) = delete;
    ~reading_server() { end_.cancel(); }

    [[nodiscard]] std::string url() const {
        return (how_ == way::plain ? "http://localhost:" : "https://localhost:") + std::to_string(port_) + "/";
    }
    [[nodiscard]] http::client_options options() const {
        auto made = http::client_options().proxies(http::proxies::none()).timeout(20s).idle_timeout(1h);
#ifdef EDDY_TEST_HTTPS
        if (how_ != way::plain) made.tls(certificates_.client().build().value());
#endif
        return made.http2(how_ == way::tls_http2);
    }
    /// Waits until `count` connections have ended. Returns how each has ended.
    [[nodiscard]] std::vector<std::string> ends(std::size_t count = 1) const {
        EXPECT_TRUE(ended_.wait_for(count));
        const std::lock_guard guard(lock_);
        return ends_;
    }
    [[nodiscard]] std::size_t ended() const { return ended_.count(); }

private:
    task<result<void>> serve() {
        auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
        port_ = listener.local_addr().value().port();
        is_bound_.open();
        for (;;) {
            auto next = co_await try_(listener.accept());
            eddy::spawn(play(std::move(next.stream))).detach();
        }
    }
    task<void> play(net::tcp_stream tcp) {
        std::string how = "no response was sent";
        const auto played = co_await answer(std::move(tcp), how);
        EXPECT_TRUE(played.has_value());
        const std::lock_guard guard(lock_);
        ends_.push_back(how);
        ended_.add();
    }
    task<result<void>> answer(net::tcp_stream tcp, std::string& how) {
        auto below = co_await try_(accept(std::move(tcp)));
        noting_stream stream(std::move(below), how);
        if (how_ == way::tls_http2) {
            peer web{io::boxed_stream(std::move(stream))};
            co_await web.begin();
            co_await web.next(peer::headers);
            co_await web.answer(1, "hi");
            if (ends_first_) co_await web.end();
            for (bool is_end = false; !is_end;) is_end = (co_await web.next(0xff)).is_end;
            co_return eddy::ok();
        }
        std::string head;
        std::byte one{};
        while (!head.ends_with("\r\n\r\n")) {
            if (co_await try_(io::read(stream, std::span(&one, 1))) == 0) co_return eddy::ok();
            head += static_cast<char>(one);
        }
        co_await try_(io::write_all(stream, std::string("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")));
        co_await try_(io::flush(stream));
        if (ends_first_) {
            auto ending = eddy::poll_fn([&](eddy::context& cx) { return stream.poll_shutdown(cx); });
            co_await try_(std::move(ending));
        }
        static_cast<void>(co_await io::read(stream, std::span(&one, 1)));
        co_return eddy::ok();
    }
    task<result<io::boxed_stream>> accept(net::tcp_stream tcp) const {
        if (how_ == way::plain) co_return io::boxed_stream(std::move(tcp));
#ifdef EDDY_TEST_HTTPS
        auto settings = certificates_.server();
        if (how_ == way::tls_http2) settings.alpn({"h2"});
        auto secure = co_await try_(eddy::tls::accept(std::move(tcp), settings.build().value()));
        co_return io::boxed_stream(std::move(secure));
#else
        co_return std::unexpected(std::make_error_code(std::errc::not_supported));
#endif
    }

    const way how_;
    const bool ends_first_;
#ifdef EDDY_TEST_HTTPS
    const support::tls_world certificates_;
#endif
    std::uint16_t port_ = 0;
    support::gate is_bound_;
    support::tally ended_;
    mutable std::mutex lock_;
    std::vector<std::string> ends_;
    eddy::sync::cancellation_token end_;
    std::jthread thread_;
};

/// Sends a request, and reads the response.
task<std::string> ask(http::client web, std::string url) {
    auto answer = co_await web.get(std::move(url));
    if (!answer) co_return answer.error().message();
    co_return (co_await answer->body.read_text()).value_or("no body");
}

const std::vector<std::string> in_order = {"end"};

/// Calls `play(server, run)` for each way, on an event loop and on a runtime: `run(future)` runs a future on it.
template <class Play>
void on_each_way(Play play, bool ends_first = false) {
    for (const way how : ways) {
        if (how == way::tls_http2 && !eddy::detail::has_http2()) continue;
        const testing::ScopedTrace trace(__FILE__, __LINE__, name_of(how));
        {
            const reading_server server(how, ends_first);
            eddy::core loop;
            play(server, [&](auto future) { return loop.run(std::move(future)); });
        }
        const testing::ScopedTrace pool_trace(__FILE__, __LINE__, "runtime");
        const reading_server server(how, ends_first);
        const auto pool = support::make_runtime(2);
        play(server, [&](auto future) { return pool.block_on(pool.spawn(std::move(future))).value(); });
    }
}

/// Waits on the event loop until `count` connections of the server have ended.
task<bool> wait_for_ends(const reading_server& server, std::size_t count = 1) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (server.ended() < count && std::chrono::steady_clock::now() < limit) co_await eddy::time::sleep(1ms);
    co_return server.ended() >= count;
}

TEST(HttpIdleEnd, ConnectionEndsAtItsTimeLimit) {
    on_each_way([](const reading_server& server, auto run) {
        const http::client web(server.options().idle_timeout(200ms));
        const auto script = [](const http::client& asking, const reading_server& of) -> task<bool> {
            EXPECT_EQ(co_await ask(asking, of.url()), "hi");
            const auto begin = std::chrono::steady_clock::now();
            const bool has_ended = co_await wait_for_ends(of);
            EXPECT_GE(std::chrono::steady_clock::now() - begin, 150ms);
            co_return has_ended;
        };
        EXPECT_TRUE(run(script(web, server)));
        EXPECT_EQ(server.ends(), in_order);
    });
}

TEST(HttpIdleEnd, ConnectionsAreClosedWhenServerEndsThem) {
    on_each_way(
        [](const reading_server& server, auto run) {
            const http::client web(server.options());
            const auto script = [](const http::client& asking, const reading_server& of) -> task<bool> {
                EXPECT_EQ(co_await ask(asking, of.url()), "hi");
                const bool first = co_await wait_for_ends(of);
                EXPECT_EQ(co_await ask(asking, of.url()), "hi");  // on another connection
                const bool second = co_await wait_for_ends(of, 2);
                co_return first&& second;
            };
            EXPECT_TRUE(run(script(web, server)));
            EXPECT_EQ(server.ends(2), std::vector<std::string>(2, "end"));
        },
        true);
}

TEST(HttpIdleEnd, DestroyedClientEndsItsConnection) {
    on_each_way([](const reading_server& server, auto run) {
        const auto script = [](const reading_server& of) -> task<bool> {
            {
                const http::client web(of.options());
                EXPECT_EQ(co_await ask(web, of.url()), "hi");
            }
            co_return co_await wait_for_ends(of);
        };
        EXPECT_TRUE(run(script(server)));
        EXPECT_EQ(server.ends(), in_order);
    });
}

TEST(HttpIdleEnd, ClientMayBeDestroyedOnAnotherThread) {
    on_each_way([](const reading_server& server, auto run) {
        std::optional<http::client> web(server.options());
        const auto script = [](std::optional<http::client>& asking, const reading_server& of) -> task<bool> {
            EXPECT_EQ(co_await ask(*asking, of.url()), "hi");
            std::thread([&] { asking.reset(); }).join();
            co_return co_await wait_for_ends(of);
        };
        EXPECT_TRUE(run(script(web, server)));
        EXPECT_EQ(server.ends(), in_order);
    });
}

TEST(HttpIdleEnd, EndOfExecutorEndsConnectionOfClient) {
    for (const way how : ways) {
        if (how == way::tls_http2 && !eddy::detail::has_http2()) continue;
        for (const bool is_loop : {true, false}) {
            const testing::ScopedTrace trace(__FILE__, __LINE__, name_of(how));
            const reading_server server(how);
            const http::client web(server.options());
            if (is_loop) {
                eddy::core loop;
                EXPECT_EQ(loop.run(ask(web, server.url())), "hi");
            } else {
                const auto pool = support::make_runtime(2);
                EXPECT_EQ(pool.block_on(pool.spawn(ask(web, server.url()))).value(), "hi");
            }
            EXPECT_EQ(server.ends(), in_order);
        }
    }
}

TEST(HttpIdleEnd, ClientIsUsedOnSeveralExecutorsInTurn) {
    const reading_server server(way::plain);
    const http::client web(server.options().idle_timeout(1ms));
    for (std::size_t round = 1; round != 4; ++round) {
        const auto script = [&](std::size_t before) -> task<bool> {
            EXPECT_EQ(co_await ask(web, server.url()), "hi");
            co_return co_await wait_for_ends(server, before + 1);
        };
        eddy::core loop;
        EXPECT_TRUE(loop.run(script(2 * round - 2)));
        const auto pool = support::make_runtime(1);
        EXPECT_TRUE(pool.block_on(pool.spawn(script(2 * round - 1))).value());
    }
    EXPECT_EQ(server.ends(6), std::vector<std::string>(6, "end"));
}

TEST(HttpIdleEnd, RuntimeDoesNotWaitForIdleConnections) {
    const reading_server server(way::plain);
    const http::client web(server.options());
    const auto begin = std::chrono::steady_clock::now();
    const auto script = [&]() -> task<void> { EXPECT_EQ(co_await ask(web, server.url()), "hi"); };
    EXPECT_EQ(eddy::run(script), 0);
    {
        const auto pool = support::make_runtime(1);
        EXPECT_EQ(pool.block_on(pool.spawn(ask(web, server.url()))).value(), "hi");
        pool.wait_until_idle();
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1min);  // they are kept for an hour
    EXPECT_EQ(server.ends(2), std::vector<std::string>(2, "end"));
}

}  // namespace
