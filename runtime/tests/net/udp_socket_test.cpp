// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <net/if.h>

#include <string>
#include <thread>
#include <vector>

#include <support/driver.hpp>
#include <support/net.hpp>
#include <support/polling.hpp>
#include <support/resolver.hpp>
#include <support/runtime/receiving.hpp>
#include <support/self_assignment.hpp>

// Single datagrams, and the socket options. udp_batch_test.cpp tests batches.

#include "support/emulated.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::net::ip_addr;
using eddy::net::ipv4_addr;
using eddy::net::ipv6_addr;
using eddy::net::socket_addr;
using eddy::net::udp_socket;
using eddy::test::by_hand;
using support::bytes_of;
using support::recv_some;
using support::text_of;
using support::within;

const socket_addr any(ip_addr::v4_loopback(), 0);

udp_socket bound(const eddy::core& core) { return udp_socket::bind(any, core.handle()).value(); }
socket_addr addr_of(const udp_socket& socket) { return socket.local_addr().value(); }

/// A UDP socket of the system, bound to a free port.
int raw_udp(int flags = SOCK_NONBLOCK) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
        throw std::system_error(errno, std::generic_category(), "bind");
    }
    return fd;
}

/// Returns an address that no socket is bound to at the moment.
socket_addr closed_port(const eddy::core& core) { return addr_of(bound(core)); }

// ---- Creation ----

// covers: S82
TEST(UdpSocket, PortZeroBindsFreePort) {
    eddy::core core;
    const auto socket = bound(core);
    EXPECT_NE(addr_of(socket).port(), 0);
    EXPECT_EQ(addr_of(socket).ip(), any.ip());
    EXPECT_EQ(socket.peer_addr().error(), std::errc::not_connected);
    EXPECT_NE(::fcntl(socket.native_handle(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(socket.native_handle(), F_GETFD) & FD_CLOEXEC, 0);
}

// covers: S82
TEST(UdpSocket, BindAcceptsEachFormOfAddress) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    const std::vector<socket_addr> several{any, any};
    EXPECT_TRUE(within(core, udp_socket::bind(any)));
    EXPECT_TRUE(within(core, udp_socket::bind("127.0.0.1:0")));
    EXPECT_TRUE(within(core, udp_socket::bind("localhost:0")));
    EXPECT_TRUE(within(core, udp_socket::bind("localhost", 0)));
    EXPECT_TRUE(within(core, udp_socket::bind(any.ip(), 0)));
    EXPECT_TRUE(within(core, udp_socket::bind(several)));
    EXPECT_EQ(within(core, udp_socket::bind(std::vector<socket_addr>())).error(), eddy::errc::no_address);
    EXPECT_EQ(within(core, udp_socket::bind("127.0.0.1")).error(), eddy::errc::bad_address);
    by_hand nowhere{udp_socket::bind(any)};
    EXPECT_THROW(static_cast<void>(nowhere.poll()), eddy::misuse);
}

TEST(UdpSocket, BindReportsUsedAddressAndMissingLoop) {
    eddy::core core;
    const auto fds = support::fd_count();
    const auto first = bound(core);
    EXPECT_EQ(udp_socket::bind(addr_of(first), core.handle()).error(), std::errc::address_in_use);
    EXPECT_EQ(within(core, udp_socket::bind(addr_of(first))).error(), std::errc::address_in_use);
    EXPECT_EQ(support::fd_count(), fds + 1);
    const auto gone = eddy::core().handle();
    EXPECT_EQ(udp_socket::bind(any, gone).error(), eddy::errc::runtime_shutdown);
    auto without = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(within(without, udp_socket::bind(any)).error(), eddy::errc::io_disabled);
}

TEST(UdpSocket, FromNativeAndIntoNativeKeepDescriptor) {
    eddy::core core;
    const int fd = raw_udp();
    auto socket = udp_socket::from_native(fd).value();
    EXPECT_EQ(socket.native_handle(), fd);
    auto peer = bound(core);
    within(core, peer.send_to(bytes_of("hello"), addr_of(socket))).value();
    EXPECT_EQ(within(core, recv_some(socket)), "hello");
    const auto parts = within(core, std::move(socket).into_native()).value();
    EXPECT_EQ(parts.native_handle, fd);
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ::close(fd);
}

TEST(UdpSocket, SelfAssignmentKeepsSocket) {
    eddy::core core;
    auto socket = bound(core);
    const auto at = addr_of(socket);
    support::assign_to_itself(socket);
    EXPECT_EQ(socket.local_addr().value(), at);
}

TEST(UdpSocket, FromNativeRefusesAndClosesOtherDescriptors) {
    const support::leaves_no_descriptor guard;
    EXPECT_EQ(udp_socket::from_native(raw_udp(0)).error(), eddy::errc::blocking_descriptor);
    auto tcp = support::raw_socket::listening();
    tcp.set_nonblocking();
    EXPECT_EQ(udp_socket::from_native(tcp.release()).error(), std::errc::wrong_protocol_type);
    EXPECT_EQ(udp_socket::from_native(-1).error(), std::errc::bad_file_descriptor);
}

// ---- Sending and receiving ----

// covers: S82
TEST(UdpSocket, RecvFromReturnsSender) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    EXPECT_EQ(within(core, one.send_to(bytes_of("ping"), addr_of(other))).value(), 4u);
    std::array<std::byte, 16> into{};
    const auto got = within(core, other.recv_from(into)).value();
    EXPECT_EQ(text_of(std::span(into).first(got.size)), "ping");
    EXPECT_EQ(got.from, addr_of(one));
    EXPECT_FALSE(got.is_truncated);
}

// covers: P058
TEST(UdpSocket, WaitingReceiverIsWoken) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    const auto work = [&]() -> eddy::task<std::string> {
        const auto reply = [&]() -> eddy::task<void> {
            co_await eddy::yield_now();
            static_cast<void>(co_await one.send_to(bytes_of("late"), addr_of(other)));
        };
        auto both = eddy::join(recv_some(other), reply());
        auto ended = co_await std::move(both);
        co_return ended.first;
    };
    for (int i = 0; i < 20; ++i) EXPECT_EQ(within(core, work()), "late");
    EXPECT_EQ(core.metrics().io().fds_registered, 1u) << "a send with free buffer space needs no registration";
}

// covers: P058
TEST(UdpSocket, DroppedReceiveLosesNoDatagram) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    for (int i = 0; i < 50; ++i) {
        const auto text = std::to_string(i);
        auto limited = eddy::select(recv_some(other), eddy::yield_now());
        EXPECT_EQ(within(core, std::move(limited)).index(), 1u);
        within(core, one.send_to(bytes_of(text), addr_of(other))).value();
        EXPECT_EQ(within(core, recv_some(other)), text);
    }
}

TEST(UdpSocket, EmptyDatagramIsDelivered) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    EXPECT_EQ(within(core, one.send_to({}, addr_of(other))).value(), 0u);
    within(core, one.connect(addr_of(other))).value();
    EXPECT_EQ(within(core, one.send({})).value(), 0u);
    within(core, one.send(bytes_of("x"))).value();
    EXPECT_EQ(within(core, recv_some(other)), "");
    std::array<std::byte, 4> into{};
    EXPECT_EQ(within(core, other.recv_from(into)).value().from, addr_of(one));
    EXPECT_EQ(within(core, recv_some(other)), "x");
}

// covers: S82
TEST(UdpSocket, DatagramLargerThanBufferIsTruncated) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    for (int i = 0; i < 3; ++i) within(core, one.send_to(bytes_of("0123456789"), addr_of(other))).value();
    std::array<std::byte, 4> into{};
    EXPECT_EQ(within(core, other.recv(into)).value(), 4u);
    const auto cut = within(core, other.recv_from(into)).value();
    EXPECT_TRUE(cut.is_truncated);
    EXPECT_EQ(text_of(std::span(into).first(cut.size)), "0123");
    const auto none = within(core, other.recv_from({})).value();
    EXPECT_TRUE(none.is_truncated);
    EXPECT_EQ(none.size, 0u);
    EXPECT_EQ(other.try_recv(into).error(), std::errc::operation_would_block) << "the rest is not received later";
}

TEST(UdpSocket, ReceiveIntoEmptyStringIsMisuse) {
    eddy::core core;
    auto socket = bound(core);
    std::string empty;
    EXPECT_THROW(static_cast<void>(socket.recv(empty)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(socket.recv_from(empty)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(socket.peek(empty)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(socket.peek_from(empty)), eddy::misuse);
    within(core, socket.send_to("text", addr_of(socket))).value();
    std::string room(8, ' ');
    EXPECT_EQ(within(core, socket.peek(room)).value(), 4u);
    EXPECT_EQ(socket.try_peek(room).value(), 4u);
    EXPECT_EQ(socket.try_peek_from(room).value().size, 4u);
    EXPECT_EQ(socket.try_recv_from(room).value().size, 4u);
    EXPECT_EQ(room.substr(0, 4), "text");
}

// covers: P058
TEST(UdpSocket, PeekLeavesDatagramInQueue) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    std::array<std::byte, 8> into{};
    EXPECT_EQ(other.try_peek(into).error(), std::errc::operation_would_block);
    within(core, one.send_to(bytes_of("twice"), addr_of(other))).value();
    EXPECT_EQ(within(core, other.peek(into)).value(), 5u);
    EXPECT_EQ(within(core, other.peek_from(into)).value().from, addr_of(one));
    EXPECT_EQ(within(core, other.peek_from({})).value().from, addr_of(one)) << "only the sender";
    EXPECT_EQ(other.try_peek(into).value(), 5u);
    EXPECT_EQ(other.try_peek_from(into).value().size, 5u);
    EXPECT_EQ(within(core, recv_some(other)), "twice");
    EXPECT_EQ(other.try_peek_from(into).error(), std::errc::operation_would_block);
}

// covers: R096
TEST(UdpSocket, WaitingPeekIsWoken) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    std::array<std::byte, 8> into{};
    const auto later = [&]() -> eddy::task<void> {
        co_await eddy::yield_now();
        static_cast<void>(co_await one.send_to(bytes_of("seen"), addr_of(other)));
    };
    for (int i = 0; i < 5; ++i) {
        auto both = eddy::join(other.peek(into), later());
        EXPECT_EQ(within(core, std::move(both)).first.value(), 4u);
        EXPECT_EQ(within(core, other.peek(into)).value(), 4u);
        EXPECT_EQ(within(core, recv_some(other)), "seen");
    }
}

// covers: P058
TEST(UdpSocket, TryFormsNeverWait) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    std::array<std::byte, 8> into{};
    EXPECT_EQ(other.try_recv(into).error(), std::errc::operation_would_block);
    EXPECT_EQ(other.try_recv_from(into).error(), std::errc::operation_would_block);
    EXPECT_EQ(one.try_send_to(bytes_of("a"), addr_of(other)).value(), 1u);
    within(core, one.connect(addr_of(other))).value();
    EXPECT_EQ(one.try_send(bytes_of("bc")).value(), 2u);
    EXPECT_TRUE(within(core, other.readable()).value().is_readable());
    EXPECT_EQ(other.try_recv(into).value(), 1u);
    EXPECT_EQ(other.try_recv_from(into).value().size, 2u);
    EXPECT_EQ(other.try_recv(into).error(), std::errc::operation_would_block);
    EXPECT_TRUE(within(core, other.writable()).value().is_writable());
    EXPECT_TRUE(within(core, other.ready(eddy::io::interest::writable)));
    auto limited = eddy::select(other.readable(), eddy::yield_now());
    EXPECT_EQ(within(core, std::move(limited)).index(), 1u) << "readable after a try that would block";
}

// covers: P058
TEST(UdpSocket, PollFormsSendAndReceive) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    std::array<std::byte, 8> into{};
    const auto run = [&](auto poll) {
        auto future = eddy::poll_fn([poll](eddy::context& cx) { return poll(cx); });
        return within(core, std::move(future)).value();
    };
    run([&](auto& cx) { return one.poll_send_to(cx, bytes_of("one"), addr_of(other)); });
    within(core, one.connect(addr_of(other))).value();
    run([&](auto& cx) { return one.poll_send(cx, bytes_of("four")); });
    EXPECT_EQ(run([&](auto& cx) { return other.poll_peek(cx, into); }), 3u);
    EXPECT_EQ(run([&](auto& cx) { return other.poll_peek_from(cx, into); }).from, addr_of(one));
    EXPECT_EQ(run([&](auto& cx) { return other.poll_recv_from(cx, into); }).size, 3u);
    EXPECT_EQ(run([&](auto& cx) { return other.poll_recv(cx, into); }), 4u);
}

// covers: S82
TEST(UdpSocket, ConnectedSocketReceivesOnlyFromPeer) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    auto third = bound(core);
    within(core, one.connect(addr_of(other))).value();
    EXPECT_EQ(one.peer_addr().value(), addr_of(other));
    within(core, third.send_to(bytes_of("no"), addr_of(one))).value();
    within(core, other.send_to(bytes_of("yes"), addr_of(one))).value();
    EXPECT_EQ(within(core, recv_some(one)), "yes");
    within(core, one.send(bytes_of("to other"))).value();
    EXPECT_EQ(within(core, recv_some(other)), "to other");
    within(core, one.connect(addr_of(third).to_string())).value();
    within(core, one.connect("localhost", addr_of(third).port())).value();
    within(core, one.connect(any.ip(), addr_of(third).port())).value();
    within(core, one.send(bytes_of("to third"))).value();
    EXPECT_EQ(within(core, recv_some(third)), "to third");
}

TEST(UdpSocket, SendWithoutConnectNeedsAddress) {
    eddy::core core;
    auto one = bound(core);
    EXPECT_EQ(within(core, one.send(bytes_of("x"))).error(), std::errc::destination_address_required);
    EXPECT_EQ(within(core, one.connect(std::vector<socket_addr>())).error(), eddy::errc::no_address);
}

TEST(UdpSocket, SendToResolvesNames) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    const support::stub_resolver stub({addr_of(other)});
    EXPECT_EQ(within(core, one.send_to(bytes_of("named"), "name:1")).value(), 5u);
    EXPECT_EQ(within(core, recv_some(other)), "named");
    EXPECT_EQ(within(core, one.send_to(bytes_of("x"), "nonsense")).error(), eddy::errc::bad_address);
    EXPECT_EQ(within(core, one.send_to(bytes_of("x"), std::vector<socket_addr>())).error(), eddy::errc::no_address);
}

// covers: S82
TEST(UdpSocket, ConnectedSocketReportsEachRefusalOnce) {
    eddy::core core;
    auto one = bound(core);
    const auto closed = closed_port(core);
    within(core, one.connect(closed)).value();
    std::array<std::byte, 8> into{};
    for (int i = 0; i < 3; ++i) {
        within(core, one.send(bytes_of("x"))).value();
        EXPECT_EQ(within(core, one.recv(into)).error(), std::errc::connection_refused);
    }
    within(core, one.send(bytes_of("x"))).value();
    const auto ready = within(core, one.ready(eddy::io::interest::readable)).value();
    EXPECT_TRUE(ready.is_readable() || ready.is_error());
    EXPECT_TRUE(ready.is_error() || support::has_kqueue()) << "kqueue reports errors only with the end of a stream";
    EXPECT_EQ(one.take_error().value(), std::make_error_code(std::errc::connection_refused));
    EXPECT_FALSE(one.take_error().value());
    // The socket works as before.
    auto other = bound(core);
    within(core, one.connect(addr_of(other))).value();
    within(core, one.send(bytes_of("alive"))).value();
    EXPECT_EQ(within(core, recv_some(other)), "alive");
    within(core, other.send_to(bytes_of("too"), addr_of(one))).value();
    EXPECT_EQ(within(core, recv_some(one)), "too");
}

TEST(UdpSocket, UnconnectedSocketReportsNoRefusal) {
    eddy::core core;
    auto one = bound(core);
    const auto closed = closed_port(core);
    for (int i = 0; i < 3; ++i) within(core, one.send_to(bytes_of("x"), closed)).value();
    std::array<std::byte, 8> into{};
    EXPECT_EQ(one.try_recv(into).error(), std::errc::operation_would_block);
}

// covers: S83
TEST(UdpSocket, TooLargeDatagramIsRefused) {
    eddy::core core;
    auto one = bound(core);
    auto other = bound(core);
    const std::vector<std::byte> large(65'508);
    EXPECT_EQ(within(core, one.send_to(large, addr_of(other))).error(), std::errc::message_size);
    EXPECT_EQ(within(core, one.send_to(std::span(large).first(65'507), addr_of(other))).value(), 65'507u);
    std::vector<std::byte> into(65'507);
    EXPECT_EQ(within(core, other.recv(into)).value(), 65'507u);
}

// covers: S82
TEST(UdpSocket, Ipv6SendsReceivesAndSetsOptions) {
    eddy::core core;
    auto one = within(core, udp_socket::bind("::1", 0));
    if (!one) GTEST_SKIP() << "no IPv6 here: " << one.error().message();
    auto other = within(core, udp_socket::bind("[::1]:0")).value();
    within(core, one->send_to(bytes_of("six"), addr_of(other))).value();
    std::array<std::byte, 8> into{};
    EXPECT_EQ(within(core, other.recv_from(into)).value().from, addr_of(*one));
    one->set_ttl(9).value();
    EXPECT_EQ(one->ttl().value(), 9u);
#if defined(_WIN32)
    EXPECT_EQ(one->set_tos(0x28).error(), std::errc::not_supported);
#else
    one->set_tos(0x28).value();
    EXPECT_EQ(one->tos().value(), 0x28u);
#endif
}

// ---- By value ----

// covers: S83
TEST(UdpSocket, SendDgramAndRecvDgramReturnSocketAndBuffer) {
    eddy::core core;
    const auto work = [](udp_socket from, udp_socket to) -> eddy::task<bool> {
        const auto target = to.local_addr().value();
        const auto source = from.local_addr().value();
        std::vector<std::byte> message(3, std::byte{'m'});
        const std::byte* const where = message.data();
        auto [sender, sent_buffer, sent] = co_await std::move(from).send_dgram(std::move(message), target);
        if (!sent || sent_buffer.data() != where) co_return false;
        std::vector<std::byte> room(10);
        auto [sock, buf, n, peer] = co_await std::move(to).recv_dgram(std::move(room));
        if (n != 3u || peer != source || buf.size() != 10 || buf[2] != std::byte{'m'}) co_return false;
        std::string text = "back";
        auto answered = co_await std::move(sock).send_dgram(std::move(text), peer);
        if (!answered.sent) co_return false;
        std::array<std::byte, 16> into{};
        co_return co_await sender.recv(into) == 4u;
    };
    EXPECT_TRUE(within(core, work(bound(core), bound(core))));
}

// covers: S83
TEST(UdpSocket, FailedSendDgramAndRecvDgramReturnSocketAndBuffer) {
    eddy::core core;
    auto socket = bound(core);
    const auto at = addr_of(socket);
    auto back = within(core, std::move(socket).send_dgram(std::vector<std::byte>(70'000), at));
    EXPECT_EQ(back.sent.error(), std::errc::message_size);
    EXPECT_EQ(back.buf.size(), 70'000u);
    EXPECT_EQ(addr_of(back.sock), at);
    within(core, back.sock.connect(closed_port(core))).value();
    within(core, back.sock.send(bytes_of("x"))).value();
    const auto received = within(core, std::move(back.sock).recv_dgram(std::move(back.buf)));
    EXPECT_EQ(received.n.error(), std::errc::connection_refused);
    EXPECT_EQ(received.buf.size(), 70'000u);
    EXPECT_EQ(addr_of(received.sock), at);
}

// covers: S83
TEST(UdpSocket, CheckWholeReportsShortSend) {
    EXPECT_TRUE(eddy::detail::check_whole(7u, 7));
    EXPECT_EQ(eddy::detail::check_whole(6u, 7).error(), std::errc::io_error);
    const auto refused = std::make_error_code(std::errc::connection_refused);
    EXPECT_EQ(eddy::detail::check_whole(std::unexpected(refused), 7).error(), refused);
}

// ---- Options ----

// covers: P059
TEST(UdpSocket, OptionsReadBackAsSet) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user lacks socket options";
    eddy::core core;
    const auto one = bound(core);
    EXPECT_FALSE(one.broadcast().value());
    one.set_broadcast(true).value();
    EXPECT_TRUE(one.broadcast().value());
    one.set_ttl(17).value();
    EXPECT_EQ(one.ttl().value(), 17u);
    one.set_tos(0x10).value();
    EXPECT_EQ(one.tos().value(), 0x10u);
    EXPECT_TRUE(one.multicast_loop_v4().value());
    one.set_multicast_loop_v4(false).value();
    EXPECT_FALSE(one.multicast_loop_v4().value());
    EXPECT_EQ(one.multicast_ttl_v4().value(), 1u);
    one.set_multicast_ttl_v4(5).value();
    EXPECT_EQ(one.multicast_ttl_v4().value(), 5u);
    one.set_multicast_if_v4(ipv4_addr::loopback()).value();
    EXPECT_EQ(one.multicast_if_v4().value(), ipv4_addr::loopback());
#if defined(_WIN32)
    constexpr std::size_t buffer_size = 20'000;
#else
    constexpr std::size_t buffer_size = 40'000;  // Linux doubles it
#endif
    one.set_send_buffer_size(20'000).value();
    EXPECT_EQ(one.send_buffer_size().value(), buffer_size);
    one.set_recv_buffer_size(20'000).value();
    EXPECT_EQ(one.recv_buffer_size().value(), buffer_size);
    EXPECT_FALSE(one.take_error().value());
    EXPECT_EQ(one.set_ttl(0x80000000).error(), std::errc::invalid_argument);
}

// covers: P059
TEST(UdpSocket, Ipv6OptionsReadBack) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user lacks socket options";
    eddy::core core;
    const auto made = within(core, udp_socket::bind("::1", 0));
    if (!made) GTEST_SKIP() << "no IPv6 here: " << made.error().message();
    EXPECT_TRUE(made->multicast_loop_v6().value());
    made->set_multicast_loop_v6(false).value();
    EXPECT_FALSE(made->multicast_loop_v6().value());
    made->set_multicast_hops_v6(3).value();
    EXPECT_EQ(made->multicast_hops_v6().value(), 3u);
    const auto loopback = ::if_nametoindex("lo");
    made->set_multicast_if_v6(loopback).value();
    EXPECT_EQ(made->multicast_if_v6().value(), loopback);
}

// covers: P059
TEST(UdpSocket, BroadcastNeedsOption) {
    eddy::core core;
    auto one = bound(core);
    const socket_addr broadcast(ipv4_addr(127, 255, 255, 255), 9);
    EXPECT_EQ(within(core, one.send_to(bytes_of("x"), broadcast)).error(), std::errc::permission_denied);
    one.set_broadcast(true).value();
    EXPECT_TRUE(within(core, one.send_to(bytes_of("x"), broadcast)));
}

#if defined(_WIN32)
constexpr auto not_a_member = std::errc::invalid_argument;  // reported by wine
#else
constexpr auto not_a_member = std::errc::address_not_available;
#endif

// covers: P059
TEST(UdpSocket, MulticastReachesJoinedSocket) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user lacks socket options";
    eddy::core core;
    const ipv4_addr group(239, 255, 77, 7);
    auto receiver = within(core, udp_socket::bind(ip_addr::v4_any(), 0)).value();
    if (const auto joined = receiver.join_multicast_v4(group, ipv4_addr::loopback()); !joined) {
        GTEST_SKIP() << "no multicast here: " << joined.error().message();
    }
    EXPECT_EQ(receiver.join_multicast_v4(group, ipv4_addr::loopback()).error(), std::errc::address_in_use);
    EXPECT_EQ(receiver.join_multicast_v4(ipv4_addr::loopback(), ipv4_addr::any()).error(), std::errc::invalid_argument);
    auto sender = bound(core);
    sender.set_multicast_if_v4(ipv4_addr::loopback()).value();
    within(core, sender.send_to(bytes_of("all"), socket_addr(group, addr_of(receiver).port()))).value();
    EXPECT_EQ(within(core, recv_some(receiver)), "all");
    receiver.leave_multicast_v4(group, ipv4_addr::loopback()).value();
    EXPECT_EQ(receiver.leave_multicast_v4(group, ipv4_addr::loopback()).error(), not_a_member);
}

// covers: P059
TEST(UdpSocket, Ipv6MulticastJoinsAndLeaves) {
    eddy::core core;
    auto made = within(core, udp_socket::bind(ip_addr::v6_any(), 0));
    if (!made) GTEST_SKIP() << "no IPv6 here: " << made.error().message();
    const auto group = ipv6_addr::parse("ff11::77:7").value();
    const auto loopback = ::if_nametoindex("lo");
    if (const auto joined = made->join_multicast_v6(group, loopback); !joined) {
        GTEST_SKIP() << "no multicast here: " << joined.error().message();
    }
    EXPECT_EQ(made->join_multicast_v6(group, loopback).error(), std::errc::address_in_use);
    made->leave_multicast_v6(group, loopback).value();
    EXPECT_EQ(made->leave_multicast_v6(group, loopback).error(), not_a_member);
}

// covers: P059
TEST(UdpSocket, BindDeviceReadsBackAndRefusesBadNames) {
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user lacks socket options";
    eddy::core core;
    const auto one = bound(core);
    EXPECT_EQ(one.device().value(), std::nullopt);
    if (const auto done = one.bind_device("lo"); !done) GTEST_SKIP() << done.error().message();
    EXPECT_EQ(one.device().value(), "lo");
    EXPECT_EQ(one.bind_device("no such one").error(), std::errc::no_such_device);
    EXPECT_EQ(one.bind_device("a name that is too long").error(), std::errc::invalid_argument);
    EXPECT_EQ(one.bind_device(std::string_view("l\0o", 3)).error(), std::errc::invalid_argument);
    if (!one.bind_device(std::nullopt)) GTEST_SKIP() << "unbinding needs a privilege";
    EXPECT_EQ(one.device().value(), std::nullopt);
}

// ---- Event loops ----

TEST(UdpSocket, LoopShutdownEndsPendingReceive) {
    eddy::core other;
    std::optional<udp_socket> socket;
    {
        eddy::core core;
        socket.emplace(bound(core));
        auto limited = eddy::select(recv_some(*socket), eddy::yield_now());
        EXPECT_EQ(within(core, std::move(limited)).index(), 1u);
    }
    std::array<std::byte, 4> into{};
    EXPECT_EQ(within(other, socket->recv(into)).error(), eddy::errc::runtime_shutdown);
    EXPECT_EQ(socket->try_recv_from(into).error(), eddy::errc::runtime_shutdown);
}

TEST(UdpSocket, WaitingWithoutLoopThrowsMisuse) {
    auto socket = udp_socket::from_native(raw_udp()).value();
    std::array<std::byte, 4> into{};
    by_hand waiting{socket.recv(into)};
    EXPECT_NE(support::text_of_misuse([&] { static_cast<void>(waiting.poll()); }).find("event loop"),
              std::string::npos);
}

// covers: P058
TEST(UdpSocketStress, ManyTasksPlayPingPongOnRuntime) {
    eddy::runtime pool;
    constexpr int rounds = support::fewer_on_windows(200);
    const auto answer = [](udp_socket socket) -> eddy::task<void> {
        std::array<std::byte, 64> buffer{};
        for (;;) {
            const auto got = co_await socket.recv_from(buffer);
            if (!got || got->size == 0) co_return;
            if (!co_await socket.send_to(std::span(buffer).first(got->size), got->from)) co_return;
        }
    };
    const auto ask = [](socket_addr to) -> eddy::task<int> {
        auto made = co_await udp_socket::bind(any);
        if (!made || !co_await made->connect(to)) co_return -1;
        int right = 0;
        for (int i = 0; i < rounds; ++i) {
            const auto text = std::to_string(i);
            std::array<std::byte, 64> buffer{};
            if (!co_await made->send(bytes_of(text))) break;
            const auto got = co_await made->recv(buffer);
            right += got && text_of(std::span(buffer).first(*got)) == text ? 1 : 0;
        }
        static_cast<void>(co_await made->send({}));
        co_return right;
    };
    const auto all = [&]() -> eddy::task<int> {
        eddy::join_set<int> asking;
        eddy::join_set<void> answering;
        for (int i = 0; i < 16; ++i) {
            auto server = co_await udp_socket::bind(any);
            const auto at = server->local_addr().value();
            answering.spawn(answer(*std::move(server)));
            asking.spawn(ask(at));
        }
        int right = 0;
        for (const int each : co_await std::move(asking).join_all()) right += each;
        co_await std::move(answering).join_all();
        co_return right;
    };
    auto limited = eddy::time::timeout(support::operation_limit(), all());
    EXPECT_EQ(pool.block_on(std::move(limited)), 16 * rounds);
}

}  // namespace
