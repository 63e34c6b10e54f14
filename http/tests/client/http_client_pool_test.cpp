// SPDX-License-Identifier: MIT
// The table of the connections of a client, and the look at a socket before its connection is used again.
// runs: once
#include <gtest/gtest.h>

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future.hpp>
#include <eddy/http.hpp>
#include <eddy/io.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include "client/http1_exchange.hpp"
#include "client/pool.hpp"
#include "support/http/http_readers.hpp"
#include "support/net.hpp"
#include "support/repeated.hpp"
#include "support/runtime.hpp"
#include "sys/quiet_socket.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::detail::client_connection;
using eddy::detail::http_client;
namespace http = eddy::http;
namespace sys = eddy::sys;

constexpr std::size_t most = http_client::most_origins;

std::string taken(http_client& from, const std::string& origin) {
    const auto connection = from.take(origin);
    return connection ? connection->address : "none";
}

std::shared_ptr<http_client> make_client(http::client_options options = http::client_options()) {
    return std::make_shared<http_client>(std::move(options.proxies(http::proxies::none())));
}

/// A connection that counts the calls that end its sending direction. Calls `at_first_read` before the first read.
class counting_stream {
public:
    counting_stream(eddy::io::duplex_stream&& below, int& shutdowns, std::function<void()> at_first_read = nullptr)
        : below_(std::move(below)), shutdowns_(&shutdowns), at_first_read_(std::move(at_first_read)) {}
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        if (const auto call = std::exchange(at_first_read_, nullptr)) call();
        return below_.poll_read(cx, into);
    }
    eddy::poll_result<eddy::result<std::size_t>> poll_write(eddy::context& cx, std::span<const std::byte> from) {
        return below_.poll_write(cx, from);
    }
    eddy::poll_result<eddy::result<void>> poll_flush(eddy::context& cx) { return below_.poll_flush(cx); }
    eddy::poll_result<eddy::result<void>> poll_shutdown(eddy::context& cx) {
        ++*shutdowns_;
        return below_.poll_shutdown(cx);
    }

private:
    eddy::io::duplex_stream below_;
    int* shutdowns_;
    std::function<void()> at_first_read_;
};

/// Returns a connection, and stores its other end in `far`.
std::unique_ptr<client_connection> connection_to(std::string address, eddy::io::duplex_stream& far, int& shutdowns,
                                                 std::function<void()> at_first_read = nullptr) {
    auto [near, other] = eddy::io::duplex(10);
    far = std::move(other);
    counting_stream counting(std::move(near), shutdowns, std::move(at_first_read));
    return std::make_unique<client_connection>(eddy::io::boxed_stream(std::move(counting)), -1, 1s, std::move(address));
}

/// Returns a connection to a peer that is silent.
std::unique_ptr<client_connection> connection_to(std::string address) {
    static std::vector<eddy::io::duplex_stream> peers;
    static int shutdowns = 0;
    auto [near, far] = eddy::io::duplex(10);
    auto made = connection_to(std::move(address), far, shutdowns);
    peers.push_back(std::move(far));
    return made;
}

/// Sends a request with `body`, and receives its response. Returns how often the client has ended its sending direction
/// in order.
int shutdowns_after(http::body body) {
    int shutdowns = 0;
    eddy::test::run_paused([&]() -> task<void> {
        auto [near, far] = eddy::io::duplex(1000);
        const std::string_view response = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
        (co_await eddy::io::write_all(far, response)).value();
        auto connection = std::make_unique<client_connection>(
            eddy::io::boxed_stream(counting_stream(std::move(near), shutdowns)), -1, 1s, "a");
        http::request asked(http::method::post, "/");
        asked.body = std::move(body);
        auto options = http::client_options().proxies(http::proxies::none());
        auto pool = std::make_shared<http_client>(std::move(options));
        eddy::detail::http1_exchange exchange(std::move(connection), std::move(pool), "a", std::move(asked), "a", false,
                                              std::source_location::current());
        (co_await eddy::poll_fn([&](eddy::context& cx) { return exchange.poll_head(cx); })).value();
        EXPECT_EQ(exchange.take_response().body.in_memory()->text(), "hi");
    });
    return shutdowns;
}

TEST(HttpClientPool, OnlyCompleteRequestsEndTheirConnectionInOrder) {
    EXPECT_EQ(shutdowns_after("body"), 1);
    EXPECT_EQ(shutdowns_after(http::body::from_reader(support::silent_reader(), 10)), 0);
}

TEST(HttpClientPool, UnusedOriginsAboveLimitAreRemoved) {
    const auto shared = make_client();
    http_client& pool = *shared;
    for (std::size_t i = 0; i < 3 * most; ++i) {
        const auto origin = "s" + std::to_string(i);
        EXPECT_EQ(pool.take(origin), nullptr);  // as each request does
        pool.set_http1(origin);
        EXPECT_LE(pool.origins(), most + 1);
    }
    EXPECT_FALSE(pool.is_http1("s0"));
}

TEST(HttpClientPool, FailedOriginsAboveLimitAreRemoved) {
    const auto shared = make_client();
    http_client& pool = *shared;
    const auto refused = std::make_error_code(std::errc::connection_refused);
    for (std::size_t i = 0; i < 3 * most; ++i) {
        const auto origin = "s" + std::to_string(i);
        EXPECT_EQ(pool.take(origin), nullptr);
        const auto permit = pool.connecting(origin);
        pool.set_failure(origin, http::client_error(http::phase::connect, origin, refused));
        EXPECT_LE(pool.origins(), most + 1);
    }
}

TEST(HttpClientPool, LongestUnusedConnectionsAreClosedAboveLimit) {
    eddy::test::run_paused([]() -> task<void> {
        const auto shared = make_client();
        http_client& pool = *shared;
        pool.put("first", connection_to("first"));
        pool.put("again", connection_to("again"));
        for (std::size_t i = 0; i < 2 * most; ++i) {
            co_await eddy::time::sleep(1ms);
            EXPECT_EQ(taken(pool, "again"), "again") << i;
            pool.put("again", connection_to("again"));
            pool.put("p" + std::to_string(i), connection_to("x"));
            EXPECT_LE(pool.origins(), most + 1);
        }
        EXPECT_EQ(taken(pool, "first"), "none");
        EXPECT_EQ(taken(pool, "p0"), "none");
        EXPECT_EQ(taken(pool, "p" + std::to_string(2 * most - 1)), "x");
        EXPECT_EQ(taken(pool, "p" + std::to_string(most + 10)), "x");
    });
}

TEST(HttpClientPool, RequestsThatEndTogetherKeepTheLimit) {
    eddy::test::run_paused([]() -> task<void> {
        const auto pool = make_client();
        for (std::size_t i = 0; i < most + 10; ++i) pool->put("p" + std::to_string(i), connection_to("x"));
        EXPECT_LE(pool->origins(), most + 1);
        co_return;
    });
}

TEST(HttpClientPool, OriginsThatAreAwaitedStay) {
    const auto shared = make_client();
    http_client& pool = *shared;
    const auto permit = pool.connecting("s");
    std::vector<std::shared_ptr<eddy::sync::semaphore>> others;
    for (std::size_t i = 0; i < most + 100; ++i) {
        others.push_back(pool.connecting("s" + std::to_string(i)));
        EXPECT_EQ(taken(pool, "s"), "none");
    }
    EXPECT_EQ(pool.connecting("s"), permit);
    EXPECT_EQ(pool.origins(), most + 101);
    others.clear();
    EXPECT_EQ(taken(pool, "s"), "none");
    EXPECT_EQ(pool.origins(), 1U);
}

TEST(HttpClientPool, IdleConnectionsHaveLimitsOfNumberAndTime) {
    eddy::test::run_paused([]() -> task<void> {
        const auto shared = make_client(http::client_options().max_idle(2).idle_timeout(10s));
        http_client& pool = *shared;
        for (const char* const name : {"a", "b", "c"}) pool.put("p", connection_to(name));
        EXPECT_EQ(taken(pool, "p"), "c");  // the one that became idle last
        EXPECT_EQ(taken(pool, "p"), "b");
        EXPECT_EQ(taken(pool, "p"), "none");
        pool.put("p", connection_to("d"));
        co_await eddy::time::sleep(9s);
        pool.put("p", connection_to("e"));
        co_await eddy::time::sleep(1s);
        EXPECT_EQ(taken(pool, "p"), "e");
        EXPECT_EQ(taken(pool, "p"), "none");  // 10 s
        const auto keeps_none = make_client(http::client_options().max_idle(0));
        keeps_none->put("p", connection_to("a"));
        EXPECT_EQ(keeps_none->origins(), 0U);
    });
}

/// Idle connections of one client. Most tests run on a paused clock, each on an event loop of its own.
struct idle_test {
    std::shared_ptr<http_client> pool = make_client(http::client_options().idle_timeout(10s));
    int ended = 0;  // connections whose direction the client has ended
    std::vector<eddy::io::duplex_stream> peers;

    void put(const std::string& origin, std::function<void()> at_first_read = nullptr) {
        auto [near, far] = eddy::io::duplex(10);
        pool->put(origin + eddy::detail::pool_key_of_loop(), connection_to("a", far, ended, std::move(at_first_read)));
        peers.push_back(std::move(far));
    }
    std::string take(const std::string& origin) const {
        return taken(*pool, origin + eddy::detail::pool_key_of_loop());
    }
};

TEST(HttpClientPool, EachIdleConnectionEndsAtItsOwnTime) {
    eddy::test::run_paused([]() -> task<void> {
        idle_test all;
        for (const char* const origin : {"s", "s", "t", "s"}) {
            all.put(origin);
            co_await eddy::time::sleep(2s);
        }
        const std::pair<std::chrono::milliseconds, int> steps[] = {
            {1999ms, 0}, {2ms, 1}, {1998ms, 1}, {2ms, 2}, {1998ms, 2}, {2ms, 3}, {1998ms, 3}, {2ms, 4}, {100s, 4}};
        for (const auto& [pause, expected] : steps) {
            co_await eddy::time::sleep(pause);
            EXPECT_EQ(all.ended, expected) << pause.count();
        }
        EXPECT_EQ(all.take("s"), "none");
    });
}

TEST(HttpClientPool, LaterConnectionsHaveTheirTimeLimitToo) {
    eddy::test::run_paused([]() -> task<void> {
        idle_test all;
        for (int round = 1; round != 5; ++round) {
            // The second one becomes idle before or after the time for which the task of the first one waits.
            all.put("s");
            EXPECT_EQ(all.take("s"), "a");
            EXPECT_EQ(all.ended, round - 1);
            co_await eddy::time::sleep(4s * round);
            all.put("s");
            co_await eddy::time::sleep(9999ms);
            EXPECT_EQ(all.ended, round - 1);
            co_await eddy::time::sleep(2ms);
            EXPECT_EQ(all.ended, round);
        }
    });
}

TEST(HttpClientPool, ConnectionsThatTheirPeerEndsAreClosed) {
    eddy::test::run_paused([]() -> task<void> {
        idle_test all;
        for (const char* const origin : {"s", "s", "t"}) all.put(origin);
        co_await eddy::time::sleep(1ms);
        (co_await eddy::io::write_all(all.peers[1], std::string_view("x"))).value();  // a response without a request
        co_await eddy::time::sleep(1ms);
        EXPECT_EQ(all.ended, 1);
        all.peers.pop_back();
        co_await eddy::time::sleep(1ms);
        EXPECT_EQ(all.ended, 2);
        EXPECT_EQ(all.take("t"), "none");
        EXPECT_EQ(all.take("s"), "a");
        EXPECT_EQ(all.take("s"), "none");
    });
}

TEST(HttpClientPool, ConnectionThatHasEndedAlreadyIsNotKept) {
    eddy::test::run_paused([]() -> task<void> {
        const auto pool = make_client();
        auto [near, far] = eddy::io::duplex(10);
        int ended = 0;
        auto connection = connection_to("a", far, ended);
        {
            const auto dropped = std::move(far);
        }
        pool->put("s", std::move(connection));
        EXPECT_EQ(ended, 1);
        EXPECT_EQ(taken(*pool, "s"), "none");
        co_return;
    });
}

TEST(HttpClientPool, DestroyedClientEndsItsConnectionsAtOnce) {
    eddy::test::run_paused([]() -> task<void> {
        idle_test all;
        for (const char* const origin : {"s", "s", "t"}) all.put(origin);
        all.pool.reset();
        EXPECT_EQ(all.ended, 3);
        co_return;
    });
}

TEST(HttpClientPool, DestroyedClientLeavesNoTask) {
    eddy::test::run_paused([]() -> task<void> {
        const auto tasks = [] { return eddy::core_handle::current().metrics().alive_tasks(); };
        const auto before = tasks();
        idle_test all;
        all.put("s");
        co_await eddy::time::sleep(1ms);
        EXPECT_EQ(tasks(), before + 1);
        all.pool.reset();
        co_await eddy::time::sleep(1ms);
        EXPECT_EQ(tasks(), before);
    });
}

TEST(HttpClientPool, RequestsWakeNoTask) {
    eddy::test::run_paused([]() -> task<void> {
        idle_test all;
        all.put("s");
        co_await eddy::time::sleep(1ms);
        const auto polls = [] { return eddy::core_handle::current().metrics().polls(); };
        const auto before = polls();
        for (int i = 0; i < 100; ++i) {
            EXPECT_EQ(all.take("s"), "a");
            all.put("s");
            co_await eddy::time::sleep(1us);
        }
        EXPECT_LT(polls() - before, 150U);  // one for each sleep
    });
}

TEST(HttpClientPool, EndOfEventLoopEndsItsConnections) {
    idle_test all;
    for (const bool has_polled : {true, false}) {  // the task that closes the connections may not have begun
        eddy::test::run_paused([&]() -> task<void> {
            for (const char* const origin : {"s", "s", "t"}) all.put(origin);
            if (has_polled) co_await eddy::time::sleep(1s);
        });
        EXPECT_EQ(all.ended, has_polled ? 3 : 6);
    }
}

TEST(HttpClientPool, ConnectionsOfOtherLoopsStayOpen) {
    idle_test all;
    eddy::core first;
    first.run([&]() -> task<void> {
        all.put("s");
        co_return;
    }());
    eddy::test::run_paused([&]() -> task<void> {
        all.put("s");
        co_await eddy::time::sleep(10s + 1ms);
        EXPECT_EQ(all.ended, 1);
        all.pool.reset();
        EXPECT_EQ(all.ended, 1);  // only the first event loop may end its connection
    });
    first.run([]() -> task<void> { co_await eddy::time::sleep(1ms); }());
    EXPECT_EQ(all.ended, 2);
}

TEST(HttpClientPool, ConnectionThatLosesItsKeeperIsNotKept) {
    idle_test all;
    std::optional<eddy::runtime> first(support::make_runtime(1));  // its task closes the connections of both runtimes
    const auto second = support::make_runtime(1);
    const auto put = [&](std::function<void()> at_first_read) -> task<void> {
        all.put("s", std::move(at_first_read));
        co_return;
    };
    first->block_on(first->spawn(put(nullptr))).value();
    const auto end_first = [&] { std::thread([&] { first.reset(); }).join(); };
    second.block_on(second.spawn(put(end_first))).value();
    EXPECT_EQ(all.ended, 2);
    EXPECT_EQ(all.take("s"), "none");
    second.block_on(second.spawn(put(nullptr))).value();
    EXPECT_EQ(all.take("s"), "a") << "the second runtime has a task of its own";
}

TEST(HttpClientPool, ConnectionsAreKeptWithoutExecutor) {
    idle_test all;
    all.put("s");
    EXPECT_EQ(all.take("s"), "a");
    all.put("s");
    all.pool.reset();
    EXPECT_EQ(all.ended, 1);
}

void wait_for(int fd, short event) {
    pollfd wanted{fd, event, 0};
    ASSERT_EQ(support::repeated([&] { return ::poll(&wanted, 1, 10'000); }), 1);
}

TEST(QuietSocket, FindsBytesEndAndReset) {
    const support::connection silent;
    const int fd = silent.stream.native_handle();
    EXPECT_TRUE(sys::is_quiet(fd));
    EXPECT_TRUE(sys::is_quiet(fd));

    support::connection sends;
    sends.peer.send("x");
    wait_for(sends.stream.native_handle(), POLLIN);
    EXPECT_FALSE(sys::is_quiet(sends.stream.native_handle()));

    const support::connection ends;
    ASSERT_EQ(::shutdown(ends.peer.fd(), SHUT_WR), 0);
    wait_for(ends.stream.native_handle(), POLLIN);
    EXPECT_FALSE(sys::is_quiet(ends.stream.native_handle()));

    support::connection resets;
    resets.peer.reset();
    wait_for(resets.stream.native_handle(), 0);
    EXPECT_FALSE(sys::is_quiet(resets.stream.native_handle()));
}

TEST(QuietSocket, CountsBytesThatWereRead) {
#ifndef __linux__
    GTEST_SKIP() << "the system does not count";
#endif
    support::connection pair;
    const int fd = pair.stream.native_handle();
    const auto before = sys::received_bytes(fd);
    pair.peer.send("hello");
    wait_for(fd, POLLIN);
    std::array<char, 10> some{};
    ASSERT_EQ(::recv(fd, some.data(), some.size(), 0), 5);
    EXPECT_TRUE(sys::is_quiet(fd));
    EXPECT_EQ(sys::received_bytes(fd), before + 5);
    EXPECT_EQ(sys::received_bytes(-1), 0U);
}

}  // namespace
