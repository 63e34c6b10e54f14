// SPDX-License-Identifier: MIT
// The end of TCP connections with both drivers: streams that are destroyed with unsent data or after their event loop,
// forked children, and an io_uring that a seccomp filter forbids. With io_uring, the driver may hold data that the
// socket has not accepted.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/yield_now.hpp>
#include <eddy/io/write.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/timeout.hpp>

#include "support/driver.hpp"
#include "support/limit.hpp"
#include "support/net.hpp"
#include "support/poll_once.hpp"
#include "support/runtime.hpp"
#include "support/system.hpp"
#ifdef __linux__
#include <sys/syscall.h>

#include "support/deny_io_uring.hpp"
#endif

namespace {

using namespace std::chrono_literals;
using support::fill;
using support::read_and_fill;
using support::read_some;

/// Fills the stream, and destroys it while data is unsent.
eddy::task<std::size_t> fill_and_drop(eddy::net::tcp_stream stream) { co_return co_await read_and_fill(stream); }

/// Checks that all accepted data arrives before the stream ends, or, with io_uring, that the connection is reset. With
/// io_uring, an event loop that ends discards the unsent data in its send buffers (runtime/docs/io_uring.md). The reset
/// prevents the peer from mistaking a part for all of the data.
testing::AssertionResult arrives_or_is_reset(const support::raw_socket& peer, std::size_t accepted) {
    std::size_t total = 0;
    try {
        for (;;) {
            const std::size_t count = peer.receive(65536).size();
            if (count == 0) break;
            total += count;
        }
    } catch (const std::system_error& ended) {
        if (support::has_ring() && ended.code() == std::errc::connection_reset) return testing::AssertionSuccess();
        return testing::AssertionFailure() << ended.what();
    }
    if (total == accepted) return testing::AssertionSuccess();
    return testing::AssertionFailure() << total << " of " << accepted << "  bytes arrived";
}

TEST(TcpEnd, StreamDroppedAfterItsLoopIsClosed) {
    support::connection pair;
    pair.peer.send("x");
    std::size_t accepted = 0;
    {
        eddy::core loop;
        accepted = loop.run(read_and_fill(pair.stream));
    }
    const auto before = support::fd_count();
    {
        const auto dropped = std::move(pair.stream);
    }
    EXPECT_EQ(support::fd_count(), before - 1) << "the descriptor is still open";
    EXPECT_TRUE(arrives_or_is_reset(pair.peer, accepted));
}

// Zero linger must not keep the connection open, even if the peer reads nothing.
TEST(TcpEnd, ZeroLingerStreamIsResetWithUnsentData) {
    support::connection pair;
    pair.peer.send("x");
    eddy::core loop;
    loop.run(read_and_fill(pair.stream));
    ASSERT_TRUE(pair.stream.set_zero_linger().has_value());
    {
        const auto dropped = std::move(pair.stream);
    }
    loop.turn(0ms);
    pollfd hang_up{pair.peer.fd(), 0, 0};
    EXPECT_EQ(support::repeated([&] { return ::poll(&hang_up, 1, 2'000); }), 1) << "the connection is still open";
}

TEST(TcpEnd, DataArrivesOrConnectionIsResetWhenLoopEnds) {
    support::connection pair;
    pair.peer.send("x");
    std::size_t accepted = 0;
    {
        eddy::core loop;
        accepted = loop.run(fill_and_drop(std::move(pair.stream)));
    }
    EXPECT_TRUE(arrives_or_is_reset(pair.peer, accepted));
}

TEST(TcpEnd, DataArrivesOrConnectionIsResetWhenRuntimeEnds) {
    support::connection pair;
    pair.peer.send("x");
    std::size_t accepted = 0;
    {
        const auto rt = support::make_runtime(2);
        accepted = rt.block_on(fill_and_drop(std::move(pair.stream)));
    }
    EXPECT_TRUE(arrives_or_is_reset(pair.peer, accepted));
}

// The stream belongs to one event loop, but another loop holds its written data when the first loop ends.
TEST(TcpEnd, DataOfAClosedStreamNeverReachesAnotherConnection) {
    support::connection pair;
    support::connection unrelated;
    std::optional<eddy::net::tcp_stream> stream;
    support::gate is_registered;
    support::gate may_end;
    std::thread other([&] {
        eddy::core owner;
        pair.peer.send("x");
        EXPECT_EQ(owner.run(read_some(pair.stream)), "x");
        stream.emplace(std::move(pair.stream));
        is_registered.open();
        EXPECT_TRUE(may_end.wait());
    });
    ASSERT_TRUE(is_registered.wait());
    const int number = stream->native_handle();
    {
        eddy::core here;
        here.turn(0ms);
        auto work = [&]() -> eddy::task<void> {
            const auto accepted = co_await fill(*stream);
            static_cast<void>(accepted);
            stream.reset();
            may_end.open();
            other.join();  // the stream's loop has ended, and the descriptor is closed
            if (::fcntl(number, F_GETFD) < 0) ::dup2(unrelated.stream.native_handle(), number);
            co_return;
        };
        here.run(work());
    }
    unrelated.stream = eddy::net::tcp_stream(std::move(pair.stream));
    ::close(number);
    EXPECT_EQ(unrelated.peer.receive(1), "") << "the data was sent to another connection";
}

TEST(TcpEnd, ForkedChildCanDestroyOldLoopNextToANewOne) {
    support::connection pair;
    auto loop = std::make_unique<eddy::core>();
    pair.peer.send("x");
    ASSERT_EQ(loop->run(read_some(pair.stream)), "x");
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(support::operation_seconds());
        int code = 1;
        try {
            eddy::core mine;
            {
                const auto dropped = std::move(pair.stream);
            }
            loop.reset();
            support::connection other;
            other.peer.send("y");
            code = mine.run(read_some(other.stream)) == "y" ? 0 : 2;
        } catch (...) {
            code = 3;
        }
        ::_exit(code);
    }
    int status = 0;
    ASSERT_EQ(support::repeated([&] { return ::waitpid(child, &status, 0); }), child);
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    pair.peer.send("z");
    EXPECT_EQ(loop->run(read_some(pair.stream)), "z") << "the parent continues";
}

TEST(TcpEnd, ForkedChildCanUseANewLoopAfterDestroyingTheOld) {
    support::connection pair;
    auto loop = std::make_unique<eddy::core>();
    pair.peer.send("x");
    ASSERT_EQ(loop->run(read_some(pair.stream)), "x");
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(support::operation_seconds());
        {
            const auto dropped = std::move(pair.stream);
        }
        loop.reset();
        eddy::core mine;
        support::connection other;
        other.peer.send("y");
        ::_exit(mine.run(read_some(other.stream)) == "y" ? 0 : 2);
    }
    int status = 0;
    ASSERT_EQ(support::repeated([&] { return ::waitpid(child, &status, 0); }), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    pair.peer.send("z");
    EXPECT_EQ(loop->run(read_some(pair.stream)), "z") << "the parent continues";
}

eddy::task<void> greet_next(eddy::net::tcp_listener& listener) {
    auto accepted = (co_await listener.accept()).value();
    const std::string text = "hello";
    auto written = eddy::io::write_all(accepted.stream, text);
    EXPECT_TRUE((co_await written).has_value());
}

// The ring has accepted the connection, but no task has accepted it yet. Both processes share this connection.
TEST(TcpEnd, ListenerDroppedInAForkedChildKeepsItsConnections) {
    auto loop = std::make_unique<eddy::core>();
    std::optional<eddy::net::tcp_listener> listener;
    const auto listen = [&]() -> eddy::task<void> {
        listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        static_cast<void>(co_await support::once(listener->accept()));
    };
    loop->run(listen());
    loop->turn(0ms);
    const auto client = support::raw_socket::connected(listener->local_addr().value());
    const auto before = support::fd_count();
    EXPECT_TRUE(support::comes_true([&] {
        loop->turn(0ms);
        return !support::has_ring() || support::fd_count() != before;
    }));
    EXPECT_TRUE(support::is_true_in_child([&] {
        listener.reset();
        loop.reset();
        return true;
    }));
    loop->run(greet_next(*listener));
    loop->turn(0ms);
    EXPECT_EQ(client.receive(64), "hello") << "then the end of the stream, without a reset";
}

TEST(TcpEnd, LoopDroppedInAForkedChildKeepsUnsentData) {
    support::connection pair;
    auto loop = std::make_unique<eddy::core>();
    pair.peer.send("x");
    const std::size_t accepted = loop->run(fill_and_drop(std::move(pair.stream)));
    loop->turn(0ms);
    EXPECT_TRUE(support::is_true_in_child([&] {
        loop.reset();
        return true;
    }));
    pair.peer.set_nonblocking();
    std::vector<std::byte> into(64 * 1024);
    std::size_t total = 0;
    ssize_t count = 0;
    EXPECT_TRUE(support::comes_true([&] {
        loop->turn(0ms);
        while ((count = ::recv(pair.peer.fd(), into.data(), into.size(), 0)) > 0)
            total += static_cast<std::size_t>(count);
        return count == 0 || errno != EAGAIN;
    }));
    EXPECT_EQ(count, 0) << "the connection was reset";
    EXPECT_EQ(total, accepted);
}

// ---- A ring that stops working ----

#ifdef __linux__
eddy::task<void> begin_to_read(eddy::net::tcp_stream& stream) {
    std::array<std::byte, 4> into{};
    eddy::test::by_hand reads(stream.read(into));
    EXPECT_FALSE(reads.poll().is_ready());
    EXPECT_FALSE(reads.poll().is_ready());
    co_return;
}

// A filter forbids io_uring_enter(2). A program that catches the exception of run() can continue with another event
// loop. Dropped streams are closed, even if data was received for them or was still to be sent.
TEST(TcpEnd, DroppedStreamsAreClosedIfTheRingIsForbidden) {
    if (!support::has_ring()) GTEST_SKIP() << "this test needs a ring";
    for (const bool is_dropped_first : {false, true}) {
        EXPECT_TRUE(support::is_true_in_child([&] {
            std::optional<eddy::core> loop(std::in_place);
            std::optional<support::connection> reads(std::in_place);
            std::optional<support::connection> writes(std::in_place);
            loop->run(begin_to_read(reads->stream));
            loop->run(begin_to_read(writes->stream));
            for (int i = 0; i < 2; ++i) loop->turn(0ms);
            const std::array numbers{reads->stream.native_handle(), writes->stream.native_handle()};
            const auto write_without_a_ring = [&]() -> eddy::task<bool> {
                static_cast<void>(writes->stream.try_write(support::bytes_of("lost")));
                co_return support::deny_calls(SYS_io_uring_enter, SYS_io_uring_enter, EPERM);
            };
            if (!loop->run(write_without_a_ring())) return false;
            if (!is_dropped_first) loop.reset();
            reads.reset();
            writes.reset();
            loop.reset();
            return ::fcntl(numbers[0], F_GETFD) < 0 && ::fcntl(numbers[1], F_GETFD) < 0;
        })) << "the descriptors are still open, and the peer waits forever";
    }
}

#endif

}  // namespace
