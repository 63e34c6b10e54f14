// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <support/net.hpp>

// poll_read_ready(), poll_write_ready(), poll_recv_ready() and poll_send_ready() of all sockets and pipes.

namespace {

using namespace std::chrono_literals;
using eddy::test::by_hand;
using support::bytes_of;
using support::within;

template <class S>
auto reads(S& socket) {
    return eddy::poll_fn([&socket](eddy::context& cx) { return socket.poll_read_ready(cx); });
}
template <class S>
auto writes(S& socket) {
    return eddy::poll_fn([&socket](eddy::context& cx) { return socket.poll_write_ready(cx); });
}
template <class S>
auto receives(S& socket) {
    return eddy::poll_fn([&socket](eddy::context& cx) { return socket.poll_recv_ready(cx); });
}
template <class S>
auto sends(S& socket) {
    return eddy::poll_fn([&socket](eddy::context& cx) { return socket.poll_send_ready(cx); });
}

/// Polls the future once inside the event loop.
template <class F>
bool is_ready(eddy::core& core, F future) {
    return within(core, [](F once) -> eddy::task<bool> {
        auto first = co_await eddy::select_biased(std::move(once), eddy::ready());
        co_return first.index() == 0;
    }(std::move(future)));
}

/// Polls the future inside the event loop and expects that it waits.
template <class H>
void wait_once(eddy::core& core, H& hand) {
    within(core, [](H& once) -> eddy::task<> {
        eddy::test::assert_pending(once.poll());
        co_return;
    }(hand));
}

/// Runs the event loop until the future is woken. Returns false after 20 s.
template <class H>
bool comes_to_wake(eddy::core& core, H& hand) {
    return support::comes_true([&] {
        core.turn(1ms);
        return hand.is_woken();
    });
}

/// Reads until a read would wait. Returns the number of bytes.
template <class S>
eddy::task<std::size_t> drain(S& stream) {
    std::array<std::byte, 64> into{};
    std::size_t total = 0;
    for (;;) {
        const auto count = stream.try_read(into);
        if (!count) break;
        total += *count;
        co_await eddy::yield_now();
    }
    co_return total;
}

// covers: P049 I20.5.12
TEST(NetPollReady, TcpStreamIsReadyWhenBytesArrive) {
    eddy::core core;
    support::connection made;
    EXPECT_FALSE(is_ready(core, reads(made.stream)));
    EXPECT_TRUE(within(core, writes(made.stream)).value().is_writable());
    EXPECT_FALSE(is_ready(core, reads(made.stream)));
    by_hand waits(reads(made.stream));
    wait_once(core, waits);
    made.peer.send("hello");
    EXPECT_TRUE(comes_to_wake(core, waits));
    EXPECT_TRUE(within(core, reads(made.stream)).value().is_readable());
    EXPECT_EQ(within(core, drain(made.stream)), 5u);
    EXPECT_FALSE(is_ready(core, reads(made.stream)));
    made.peer.shutdown();
    EXPECT_TRUE(within(core, reads(made.stream)).value().is_readable());
    std::array<std::byte, 8> into{};
    EXPECT_EQ(within(core, made.stream.read(into)).value(), 0u);
}

// covers: P049
TEST(NetPollReady, TcpStreamIsNotWritableWhileItIsFull) {
    eddy::core core;
    support::connection made;
    made.peer.send("x");
    const auto accepted = within(core, support::read_and_fill(made.stream));
    EXPECT_GT(accepted, 0u);
    EXPECT_FALSE(is_ready(core, writes(made.stream)));
    const std::jthread reader([&] { EXPECT_EQ(made.peer.receive(accepted).size(), accepted); });
    EXPECT_TRUE(within(core, writes(made.stream)).value().is_writable());
    within(core, made.stream.flush()).value();
    EXPECT_TRUE(made.stream.try_write(bytes_of("more")).has_value());
}

// covers: P049
TEST(NetPollReady, OnlyTheLastPollerOfADirectionIsWoken) {
    eddy::core core;
    support::connection made;
    EXPECT_FALSE(is_ready(core, reads(made.stream)));  // registers the stream
    by_hand first(reads(made.stream));
    by_hand second(reads(made.stream));
    wait_once(core, first);
    wait_once(core, second);
    EXPECT_EQ(first.wakers(), 0u);
    EXPECT_EQ(second.wakers(), 1u);
    made.peer.send("x");
    EXPECT_TRUE(comes_to_wake(core, second));
    EXPECT_FALSE(first.is_woken());
}

// covers: P049
TEST(NetPollReady, HalvesAndUnixStreamsReportReadiness) {
    eddy::core core;
    auto [one, other] = eddy::net::unix_stream::pair().value();
    auto [reader, writer] = std::move(one).into_split();
    EXPECT_FALSE(is_ready(core, reads(reader)));
    EXPECT_TRUE(within(core, writes(writer)).value().is_writable());
    within(core, other.write_all(bytes_of("hello"))).value();
    EXPECT_TRUE(within(core, reads(reader)).value().is_readable());
    EXPECT_EQ(within(core, drain(reader)), 5u);
    EXPECT_FALSE(is_ready(core, reads(reader)));
    {
        auto gone = std::move(other);
    }
    const auto seen = within(core, reads(reader)).value();
    EXPECT_TRUE(seen.is_read_closed());
    EXPECT_TRUE(within(core, writes(writer)).value().is_write_closed());
}

// covers: P049 I20.5.12
TEST(NetPollReady, PipeIsReadyWhenBytesArrive) {
    eddy::core core;
    auto [tx, rx] = eddy::net::pipe::make().value();
    EXPECT_FALSE(is_ready(core, reads(rx)));
    EXPECT_TRUE(within(core, writes(tx)).value().is_writable());
    EXPECT_FALSE(is_ready(core, reads(rx)));
    within(core, tx.write_all(bytes_of("hello"))).value();
    EXPECT_TRUE(within(core, reads(rx)).value().is_readable());
    EXPECT_EQ(within(core, drain(rx)), 5u);
    EXPECT_FALSE(is_ready(core, reads(rx)));
}

// covers: P049 I20.5.13
TEST(NetPollReady, UdpSocketIsReadyWhenADatagramArrives) {
    eddy::core core;
    const eddy::net::socket_addr any(eddy::net::ip_addr::v4_loopback(), 0);
    auto one = eddy::net::udp_socket::bind(any, core.handle()).value();
    auto other = eddy::net::udp_socket::bind(any, core.handle()).value();
    EXPECT_FALSE(is_ready(core, receives(one)));
    EXPECT_TRUE(within(core, sends(other)).value().is_writable());
    by_hand waits(receives(one));
    wait_once(core, waits);
    within(core, other.send_to(bytes_of("hello"), one.local_addr().value())).value();
    EXPECT_TRUE(comes_to_wake(core, waits));
    EXPECT_TRUE(within(core, receives(one)).value().is_readable());
    std::array<std::byte, 8> into{};
    EXPECT_EQ(one.try_recv(into).value(), 5u);
    EXPECT_FALSE(one.try_recv(into).has_value());
    EXPECT_FALSE(is_ready(core, receives(one)));
}

// covers: P049 I20.5.13
TEST(NetPollReady, UnixDatagramIsNotReadyToSendWhileItIsFull) {
    eddy::core core;
    auto [one, other] = eddy::net::unix_datagram::pair().value();
    EXPECT_TRUE(within(core, sends(one)).value().is_writable());
    const std::vector<std::byte> large(1000);
    int sent = 0;
    while (one.try_send(large)) ++sent;
    EXPECT_GT(sent, 0);
    EXPECT_FALSE(is_ready(core, sends(one)));
    std::vector<std::byte> into(1000);
    for (int i = 0; i < sent; ++i) EXPECT_EQ(other.try_recv(into).value(), 1000u);
    EXPECT_TRUE(within(core, sends(one)).value().is_writable());
}

// covers: P049
TEST(NetPollReady, EndedLoopIsReportedAsShutdown) {
    auto core = std::make_unique<eddy::core>();
    support::connection made;
    EXPECT_FALSE(is_ready(*core, reads(made.stream)));
    core.reset();
    eddy::core next;
    EXPECT_EQ(within(next, reads(made.stream)).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(within(next, writes(made.stream)).error(), eddy::errc::runtime_shutdown);
}

// covers: P049
TEST(NetPollReady, PollWithoutALoopThrowsMisuse) {
    support::connection made;
    by_hand outside(reads(made.stream));
    EXPECT_THROW(static_cast<void>(outside.poll()), eddy::misuse);
}

}  // namespace
