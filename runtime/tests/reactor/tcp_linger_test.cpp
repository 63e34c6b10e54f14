// SPDX-License-Identifier: MIT
// Bytes that a stream has written and that its socket has not accepted when the stream is destroyed. With a ring, the
// driver owns them.
// runs: once
#include <eddy/runtime/core.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/net/tcp_stream.hpp>

#include "reactor/ring/ring_reactor.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/process_state.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::detail::ring_reactor;
using std::chrono::steady_clock;

struct TcpLingerOnRing : testing::Test {
    ~TcpLingerOnRing() override { ring_reactor::linger_time = former; }

    static eddy::core make_loop() {
        auto with_ring = eddy::core::builder().driver(eddy::driver_kind::io_uring).build();
        return with_ring ? std::move(*with_ring) : eddy::core();
    }

    std::chrono::milliseconds former = std::exchange(ring_reactor::linger_time, 300ms);
};

/// A stream that was filled and then destroyed. On io_uring where it is permitted, whatever EDDY_DRIVER says: without a
/// ring, the kernel holds all unsent data.
struct TcpLinger : TcpLingerOnRing {
    TcpLinger() {
        pair->peer.send("x");
        accepted = loop.run(support::read_and_fill(pair->stream));
        static_cast<void>(eddy::net::tcp_stream(std::move(pair->stream)));
    }

    eddy::core loop = make_loop();
    std::optional<support::connection> pair{std::in_place};
    std::size_t accepted = 0;
};

TEST_F(TcpLinger, AcceptedBytesArriveAfterStreamIsDestroyed) {
    std::size_t got = 0;
    // The event loop runs while the peer reads, because the loop sends the remaining bytes.
    while (got < accepted) {
        const std::size_t count = pair->peer.receive(std::min<std::size_t>(accepted - got, 4096)).size();
        ASSERT_NE(count, 0u) << got << " of " << accepted;
        got += count;
        loop.turn(0ms);
    }
    for (int i = 0; i < 3; ++i) loop.turn(0ms);
    EXPECT_EQ(pair->peer.receive(1), "") << "then the end of the stream";
}

TEST_F(TcpLinger, RingResetsPeerThatDoesNotReadAfterLimit) {
    if (loop.driver() != eddy::driver_kind::io_uring) GTEST_SKIP() << "there is no io_uring";
    const auto fds = support::fd_count();
    const auto deadline = steady_clock::now() + 10s;  // linger_time is a fraction of a second here
    while (support::fd_count() == fds && steady_clock::now() < deadline) loop.turn(deadline - steady_clock::now());
    EXPECT_EQ(support::fd_count(), fds - 1) << "the descriptor is still open";
    EXPECT_LT(steady_clock::now(), deadline);
    try {
        while (!pair->peer.receive(65536).empty()) continue;
        ADD_FAILURE() << "the peer sees an end of stream after a part of the data";
    } catch (const std::system_error& ended) {
        EXPECT_EQ(ended.code(), std::errc::connection_reset);
    }
}

#ifdef __linux__
// Another thread destroys a stream while the event loop sleeps. The loop must learn when to wake up.
TEST_F(TcpLingerOnRing, SleepingLoopLearnsWhenToGiveAStreamUp) {
    eddy::core loop = make_loop();
    if (loop.driver() != eddy::driver_kind::io_uring) GTEST_SKIP() << "there is no io_uring";
    std::optional<support::connection> pair{std::in_place};
    // Nothing is received on this connection: the end of a receive would wake the loop, too.
    loop.run([&]() -> eddy::task<void> {
        const std::string some(1000, 'x');
        for (bool is_full = false; !is_full;) {
            auto writing = pair->stream.write(some);
            co_await eddy::poll_fn([&](eddy::context& cx) {
                is_full = !writing.poll(cx).is_ready();
                return eddy::poll_result<int>(0);
            });
            co_await eddy::yield_now();
        }
    }());
    for (int i = 0; i < 3; ++i) loop.turn(0ms);
    const int number = pair->stream.native_handle();
    const auto is_closed = [number] { return ::fcntl(number, F_GETFD) < 0; };
    const auto loop_thread = ::gettid();
    std::atomic<bool> turns = false;
    std::thread destroyer([&] {
        EXPECT_TRUE(support::comes_true([&] { return turns && support::is_asleep(loop_thread); }));
        static_cast<void>(eddy::net::tcp_stream(std::move(pair->stream)));
    });
    const auto begin = steady_clock::now();
    turns = true;
    while (!is_closed() && steady_clock::now() < begin + 10s) loop.turn(20s);
    destroyer.join();
    EXPECT_TRUE(is_closed());
    EXPECT_LT(steady_clock::now() - begin, 10s);  // linger_time is a fraction of a second here
}
#endif

// The time of one stream is over in the driver tick in which a waker destroys another stream. That stream waits to be
// served, but it must be found as well.
TEST_F(TcpLingerOnRing, StreamDestroyedWhileAnotherIsGivenUpHasItsOwnLimit) {
    eddy::core loop = make_loop();
    if (loop.driver() != eddy::driver_kind::io_uring) GTEST_SKIP() << "there is no io_uring";
    std::optional<support::connection> first{std::in_place};
    std::optional<support::connection> second{std::in_place};
    for (auto* const each : {&*first, &*second}) {
        each->peer.send("x");
        loop.run(support::read_and_fill(each->stream));
    }
    support::connection third;
    std::array<std::byte, 1> into{};
    auto read = third.stream.read(into);
    const int number = second->stream.native_handle();
    bool is_destroyed = false;
    support::calling_waker destroys([&] {
        static_cast<void>(eddy::net::tcp_stream(std::move(second->stream)));
        is_destroyed = true;
    });
    const auto begin_to_read = [&]() -> eddy::task<void> {
        co_await eddy::poll_fn([&](eddy::context&) {
            EXPECT_FALSE(support::poll_with(read, destroys.waker()).is_ready());
            return eddy::poll_result<int>(0);
        });
    };
    loop.run(begin_to_read());
    loop.turn(0ms);  // submits the receive

    static_cast<void>(eddy::net::tcp_stream(std::move(first->stream)));
    // No tick may run before the time of the first one is over: it would give that stream up alone.
    std::this_thread::sleep_for(ring_reactor::linger_time);
    third.peer.send("x");
    support::raw_socket(::dup(third.stream.native_handle())).wait_for(POLLIN);
    loop.turn(0ms);
    ASSERT_TRUE(is_destroyed) << "the tested situation did not occur";
    const auto deadline = steady_clock::now() + 10s;
    while (::fcntl(number, F_GETFD) >= 0 && steady_clock::now() < deadline) loop.turn(deadline - steady_clock::now());
    EXPECT_LT(::fcntl(number, F_GETFD), 0) << "the second stream is never given up";
    EXPECT_LT(steady_clock::now(), deadline);
}

}  // namespace
