// SPDX-License-Identifier: MIT
// TCP connections with both drivers, tested by the behavior of the peer: resets, small pieces, urgent bytes,
// connections that are accepted ahead, and leased data. With io_uring, the driver receives and accepts before a task
// requests it.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/io/owned_fd.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/timeout.hpp>

#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using support::raw_socket;
using support::read_some;

eddy::task<std::string> read_at_least(eddy::net::tcp_stream& stream, std::size_t size) {
    std::string all;
    while (all.size() < size) {
        const std::string some = co_await read_some(stream);
        if (some.empty()) break;
        all += some;
    }
    co_return all;
}

/// Waits until the system has noticed the end of the peer.
void wait_for_hang_up(const eddy::net::tcp_stream& stream) {
    pollfd wanted{stream.native_handle(), 0, 0};
    ASSERT_EQ(support::repeated([&] { return ::poll(&wanted, 1, 10'000); }), 1);
}

/// Waits until all data that the peer has sent has arrived.
void wait_until_arrived(const support::connection& pair) {
    EXPECT_TRUE(support::comes_true([&] {
        // Makes the system acknowledge immediately, and not after the 40 ms of tcp(7).
        const int is_quick = 1;
        ::setsockopt(pair.stream.native_handle(), IPPROTO_TCP, TCP_QUICKACK, &is_quick, sizeof is_quick);
        int left = 0;
        return ::ioctl(pair.peer.fd(), SIOCOUTQ, &left) == 0 && left == 0;
    }));
}

/// Reads once: from now on a driver may receive ahead of the reads.
void begin(eddy::core& loop, support::connection& pair) {
    pair.peer.send("x");
    ASSERT_EQ(loop.run(read_some(pair.stream)), "x");
}

TEST(TcpPeer, VectoredReadDoesNotLoseReset) {
    support::connection pair;
    eddy::core loop;
    begin(loop, pair);
    pair.peer.send("abc");
    wait_until_arrived(pair);
    pair.peer.reset();
    wait_for_hang_up(pair.stream);
    for (int i = 0; i < 4; ++i) loop.turn(0ms);  // lets the driver receive ahead
    std::array<std::byte, 64> first{};
    std::array<std::byte, 64> second{};
    const std::array<std::span<std::byte>, 2> into{std::span(first).first(3), std::span(second)};
    const auto count = loop.run(pair.stream.read_vectored(into));
    ASSERT_EQ(count, 3u);
    const auto next = loop.run(pair.stream.read(second));
    EXPECT_FALSE(next.has_value()) << "the reset looks like the end of the stream";
}

TEST(TcpPeer, ResetIsReportedToATaskThatWritesAndThenReads) {
    support::connection pair;
    eddy::core loop;
    begin(loop, pair);
    pair.peer.reset();
    wait_for_hang_up(pair.stream);
    const bool told = loop.run([](eddy::net::tcp_stream& stream) -> eddy::task<bool> {
        const auto written = co_await stream.write_all(support::bytes_of("question"));
        if (!written) co_return true;
        std::array<std::byte, 64> into{};
        const auto count = co_await stream.read(into);
        co_return !count.has_value();
    }(pair.stream));
    EXPECT_TRUE(told) << "the reset looks like the end of the stream";
}

// A parser that needs a complete header peeks until it sees the whole header. The header may arrive in more pieces than
// a driver receives ahead.
TEST(TcpPeer, PeekSeesAllDataThatArrivedInSmallPieces) {
    support::connection pair;
    eddy::core loop;
    std::array<std::byte, 64> into{};
    std::string sent;
    for (char each = 'a'; each <= 'z'; ++each) {
        pair.peer.send(std::string(1, each));
        sent += each;
        wait_until_arrived(pair);
        const auto some = support::within(loop, pair.stream.peek(into));
        ASSERT_TRUE(some.has_value());
        ASSERT_TRUE(sent.starts_with(support::text_of(std::span(into).first(*some))));
        loop.turn(0ms);
    }
    EXPECT_TRUE(support::comes_true([&] {
        loop.turn(0ms);
        return support::within(loop, pair.stream.peek(into)) == sent.size();
    })) << "peek sees only a part of the data";
    EXPECT_EQ(support::text_of(std::span(into).first(sent.size())), sent);
    EXPECT_EQ(support::within(loop, read_at_least(pair.stream, sent.size())), sent) << "a peek consumes no data";
}

// A peek may be the first operation that sees a reset behind the available data.
TEST(TcpPeer, PeekDoesNotSwallowAReset) {
    support::connection pair;
    eddy::core loop;
    std::array<std::byte, 64> into{};
    for (char each = 'a'; each <= 'z'; ++each) {
        pair.peer.send(std::string(1, each));
        wait_until_arrived(pair);
        ASSERT_TRUE(support::within(loop, pair.stream.peek(into)).has_value());
        loop.turn(0ms);
    }
    pair.peer.reset();
    wait_for_hang_up(pair.stream);
    bool is_told = false;
    for (int i = 0; i < 100 && !is_told; ++i) {
        loop.turn(0ms);
        const auto seen = support::within(loop, pair.stream.peek(into));
        const auto count = support::within(loop, pair.stream.read(std::span(into).first(1)));
        is_told = !seen || !count;
        ASSERT_TRUE(is_told || *count != 0) << "the reset looks like the end of the stream";
    }
    EXPECT_TRUE(is_told);
}

// Large-transfer mode reads without the ring, but writes still use it.
TEST(TcpPeer, ResetIsReportedAfterAWriteInLargeTransferMode) {
    support::connection pair;
    eddy::core loop;
    const std::string large(256 * 1024, 'l');
    std::vector<std::byte> into(large.size());
    for (int i = 0; i < 10; ++i) {
        const std::jthread sends([&] { pair.peer.send(large); });
        ASSERT_TRUE(support::within(loop, pair.stream.read_exact(into)).has_value());
    }
    pair.peer.reset();
    wait_for_hang_up(pair.stream);
    const auto written = loop.run(pair.stream.write_all(support::bytes_of("question")));
    if (!written) return;  // the reset is already reported
    const auto count = support::within(loop, pair.stream.read(into));
    ASSERT_FALSE(count.has_value()) << "the reset looks like the end of the stream";
    EXPECT_EQ(count.error(), std::errc::connection_reset);
    EXPECT_EQ(support::within(loop, pair.stream.read(into)), 0u) << "a reset is reported once";
}

TEST(TcpPeer, DataAfterAnUrgentByteIsNotHeldBack) {
    for (const bool ends : {false, true}) {
        support::connection pair;
        eddy::core loop;
        begin(loop, pair);
        pair.peer.send("abc");
        pair.peer.send_urgent('!');
        ends ? pair.peer.shutdown() : pair.peer.send("def");
        wait_until_arrived(pair);
        auto got = loop.run(eddy::time::timeout(2s, read_at_least(pair.stream, 6)));
        EXPECT_EQ(got ? *got : "late", ends ? "abc" : "abcdef");
    }
}

TEST(TcpPeer, LoneUrgentByteDoesNotDelayLaterData) {
    support::connection pair;
    eddy::core loop;
    begin(loop, pair);
    for (int i = 0; i < 20; ++i) {
        pair.peer.send_urgent('!');
        wait_until_arrived(pair);
        if (i % 2 == 0) loop.turn(0ms);
        pair.peer.send("d");
        wait_until_arrived(pair);
        auto got = loop.run(eddy::time::timeout(2s, read_some(pair.stream)));
        ASSERT_EQ(got ? *got : "late", "d") << i;
    }
}

// ---- When standard input, output and error are closed ----

/// Drops an accept while it waits. With a ring, the driver then accepts the next connection ahead.
eddy::task<void> accept_and_drop(eddy::net::tcp_listener& listener) {
    eddy::test::by_hand waits(listener.accept());
    EXPECT_FALSE(waits.poll().is_ready());
    co_return;
}

/// Returns a listener with a dropped accept.
eddy::net::tcp_listener listener_that_accepts_ahead(eddy::core& loop) {
    auto listener = loop.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    loop.run(accept_and_drop(listener));
    for (int i = 0; i < 2; ++i) loop.turn(0ms);
    return listener;
}

/// Connects to the listener while the standard output is closed.
raw_socket connect_without_output(eddy::core& loop, const eddy::net::tcp_listener& listener) {
    auto peer = raw_socket::connected(listener.local_addr().value());
    ::close(STDOUT_FILENO);
    for (int i = 0; i < 4; ++i) loop.turn(0ms);
    return peer;
}

TEST(TcpAccept, ConnectionAcceptedAheadDoesNotGetDescriptor1) {
    EXPECT_TRUE(support::is_true_in_child([] {
        eddy::core loop;
        const auto listener = listener_that_accepts_ahead(loop);
        const auto peer = connect_without_output(loop, listener);
        const bool is_taken = ::fcntl(STDOUT_FILENO, F_GETFD) >= 0;
        return !is_taken;
    })) << "the output of the program would go to a peer";
}

TEST(TcpAccept, ReleasedListenerYieldsNoStandardDescriptor) {
    EXPECT_TRUE(support::is_true_in_child([] {
        eddy::core loop;
        auto listener = listener_that_accepts_ahead(loop);
        const auto peer = connect_without_output(loop, listener);
        const auto given_up = loop.run(std::move(listener).into_native()).value();
        for (const int fd : given_up.connections) {
            if (fd <= STDERR_FILENO) return false;
        }
        return true;
    }));
}

TEST(TcpAccept, ConnectionAcceptedAheadIsNotLostWithAStoppedListener) {
    eddy::core loop;
    std::optional listener(listener_that_accepts_ahead(loop));
    const raw_socket of_another_process(::fcntl(listener->native_handle(), F_DUPFD_CLOEXEC, 3));
    auto peer = raw_socket::connected(listener->local_addr().value());
    for (int i = 0; i < 4; ++i) loop.turn(0ms);
    const auto rest = loop.run(eddy::poll_fn([&](eddy::context& cx) { return listener->poll_rest(cx); }));
    listener.reset();
    const eddy::io::owned_fd left(::accept4(of_another_process.fd(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_EQ(rest.size() + (left.native_handle() >= 0 ? 1 : 0), 1U);
    std::byte next{};
    EXPECT_EQ(::recv(peer.fd(), &next, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
}

// ---- Addresses and resets of peers ----

struct met {
    eddy::net::socket_addr told;
    eddy::net::socket_addr asked;
};

eddy::task<met> meet(eddy::net::tcp_listener& listener) {
    auto accepted = co_await listener.accept();
    const auto asked = accepted.value().stream.peer_addr();
    co_return met{accepted->peer, asked.value()};
}

TEST(TcpAccept, ReportedPeerAddressMatchesTheSocket) {
    eddy::core loop;
    for (const char* where : {"127.0.0.1:0", "[::1]:0", "[::]:0"}) {
        SCOPED_TRACE(where);
        auto bound = loop.run(eddy::net::tcp_listener::bind(where));
        if (!bound) continue;  // IPv6 is not available
        auto listener = *std::move(bound);
        for (const auto& to : {std::string("127.0.0.1"), std::string("::1")}) {
            const auto address = eddy::net::ip_addr::parse(to).value();
            auto first =
                eddy::net::tcp_stream::connect(eddy::net::socket_addr(address, listener.local_addr().value().port()));
            auto connected = loop.run(std::move(first));
            if (!connected) continue;
            const auto found = support::within(loop, meet(listener));
            EXPECT_EQ(found.told, found.asked);
            EXPECT_EQ(found.told.port(), connected->local_addr().value().port());
        }
    }
}

TEST(TcpAccept, ConnectionResetBeforeAcceptIsStillReturned) {
    eddy::core loop;
    auto listener = listener_that_accepts_ahead(loop);
    auto gone = raw_socket::connected(listener.local_addr().value());
    const auto port = gone.addr().port();
    gone.reset();
    auto accepted = support::within(loop, listener.accept());
    ASSERT_TRUE(accepted.has_value()) << accepted.error().message();
    EXPECT_EQ(accepted->peer.port(), port);
}

// ---- Leases ----

TEST(TcpLease, LeasedBufferOutlivesItsStreamAndLoop) {
    eddy::io::leased_buffer kept;
    {
        eddy::core loop;
        support::connection pair;
        pair.peer.send("first");
        auto first = support::within(loop, pair.stream.receive()).value();
        pair.peer.send("second");
        auto second = support::within(loop, pair.stream.receive()).value();
        std::swap(first, second);
        auto& same = first;
        first = std::move(same);
        EXPECT_EQ(support::text_of(first), "second");
        kept = std::move(first);
        first = std::move(second);  // `first` was moved from
        EXPECT_EQ(support::text_of(first), "first");
        std::array<std::byte, 3> some{};
        pair.peer.send("abcdefgh");
        ASSERT_EQ(support::within(loop, pair.stream.read(some)).value(), 3u);
        const auto rest = support::within(loop, pair.stream.receive()).value();
        EXPECT_EQ(support::text_of(rest), "defgh");
    }
    EXPECT_EQ(support::text_of(kept), "second");
}

/// Sends `size` bytes through `from`, and returns a lease of them.
eddy::task<eddy::io::leased_buffer> lease_of(support::connection& from, std::size_t size, char filler) {
    from.peer.send(std::string(size, filler));
    auto lease = (co_await from.stream.receive()).value();
    co_return lease;
}

/// Drops the write of a lease to a full socket. Then, when the peer reads, writes another lease.
eddy::task<void> write_two_to_a_full_socket(support::connection& from, eddy::net::tcp_stream& to, std::size_t size,
                                            support::gate& is_full) {
    static_cast<void>(co_await support::read_and_fill(to));
    // On a busy machine, earlier bytes may reach the peer only now. Then the socket accepts another lease.
    for (bool is_pending = false; !is_pending;) {
        auto first = co_await lease_of(from, size, 'a');
        eddy::test::by_hand dropped(to.write_owned(std::move(first)));
        is_pending = !dropped.poll().is_ready();
    }
    auto second = co_await lease_of(from, size, 'b');
    EXPECT_EQ(second.size(), size);
    is_full.open();
    const auto written = co_await to.write_owned(std::move(second));
    EXPECT_TRUE(written.has_value());
    EXPECT_TRUE((co_await to.shutdown()).has_value());
}

TEST(TcpLease, NextWriteArrivesAfterADroppedWriteOfALease) {
    for (const std::size_t size : {600u, 8000u, 30000u}) {
        SCOPED_TRACE(size);
        support::connection source;
        support::connection sink;
        support::gate is_full;
        eddy::core loop;
        std::string all;
        sink.peer.send("x");
        std::thread reader([&] {
            EXPECT_TRUE(is_full.wait());
            for (std::string some; !(some = sink.peer.receive(4096)).empty();) all += some;
        });
        support::within(loop, write_two_to_a_full_socket(source, sink.stream, size, is_full));
        reader.join();
        EXPECT_EQ(std::ranges::count(all, 'b'), static_cast<std::ptrdiff_t>(size));
        EXPECT_TRUE(all.ends_with('b')) << "the bytes arrived in another order";
    }
}

}  // namespace
