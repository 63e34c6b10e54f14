// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <support/net.hpp>
#include <support/runtime/receiving.hpp>
#include <support/temp_dir.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::net::unix_addr;
using eddy::net::unix_datagram;
using support::bytes_of;
using support::recv_some;
using support::text_of;
using support::within;

unix_addr abstract_name(std::string_view of) {
    return unix_addr::abstract("eddy." + std::string(of) + "." + std::to_string(::getpid())).value();
}

// covers: P060
TEST(UnixDatagram, SendToAndRecvFromUsePaths) {
    const support::leaves_no_descriptor guard;
    const support::temp_dir dir;
    eddy::core core;
    auto one = within(core, unix_datagram::bind(dir / "one")).value();
    auto other = unix_datagram::bind(dir / "other", core.handle()).value();
    EXPECT_EQ(within(core, one.send_to(bytes_of("hello"), dir / "other")).value(), 5u);
    std::array<std::byte, 8> into{};
    const auto got = within(core, other.recv_from(into)).value();
    EXPECT_EQ(text_of(std::span(into).first(got.size)), "hello");
    EXPECT_EQ(got.from.as_path(), dir / "one");
    EXPECT_FALSE(got.is_truncated);
    EXPECT_EQ(within(core, other.send_to(bytes_of("back"), got.from)).value(), 4u);
    EXPECT_EQ(within(core, recv_some(one)), "back");
    EXPECT_EQ(unix_datagram::bind(dir / "one", core.handle()).error(), std::errc::address_in_use);
    EXPECT_EQ(within(core, unix_datagram::bind(std::string(200, 'x'))).error(), eddy::errc::unix_name_too_long);
    EXPECT_EQ(within(core, one.send_to(bytes_of("x"), "")).error(), eddy::errc::bad_path);
}

// covers: P060
TEST(UnixDatagram, UnnamedSenderReachesAbstractName) {
    eddy::core core;
    auto one = within(core, unix_datagram::bind(abstract_name("dgram"))).value();
    auto other = unix_datagram::unbound().value();
    EXPECT_TRUE(other.local_addr().value().is_unnamed());
    other.connect(one.local_addr().value()).value();
    EXPECT_EQ(other.peer_addr().value(), abstract_name("dgram"));
    within(core, other.send(bytes_of("who"))).value();
    std::array<std::byte, 8> into{};
    EXPECT_TRUE(within(core, one.recv_from(into)).value().from.is_unnamed());
}

// covers: P060
TEST(UnixDatagram, BindWithoutNameGetsAutomaticName) {
    eddy::core core;
    auto one = within(core, unix_datagram::bind(abstract_name("answers"))).value();
    auto other = within(core, unix_datagram::bind(unix_addr())).value();
    auto third = unix_datagram::bind(unix_addr(), core.handle()).value();
    EXPECT_TRUE(other.local_addr().value().as_abstract()) << other.local_addr().value().to_string();
    EXPECT_NE(other.local_addr().value(), third.local_addr().value());
    within(core, other.send_to(bytes_of("who"), abstract_name("answers"))).value();
    std::array<std::byte, 8> into{};
    const auto from = within(core, one.recv_from(into)).value().from;
    EXPECT_EQ(from, other.local_addr().value());
    within(core, one.send_to(bytes_of("you"), from)).value();
    EXPECT_EQ(within(core, recv_some(other)), "you");
}

// covers: P060
TEST(UnixDatagram, PairOffersTryPeekAndPollForms) {
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    std::array<std::byte, 8> into{};
    EXPECT_EQ(other.try_recv(into).error(), std::errc::operation_would_block);
    EXPECT_EQ(one.try_send(bytes_of("12345")).value(), 5u);
    EXPECT_EQ(within(core, other.peek(into)).value(), 5u);
    EXPECT_EQ(within(core, other.peek_from(into)).value().size, 5u);
    EXPECT_EQ(other.try_peek(into).value(), 5u);
    EXPECT_EQ(other.try_peek_from(into).value().size, 5u);
    EXPECT_TRUE(within(core, other.readable()).value().is_readable());
    EXPECT_TRUE(within(core, other.ready(eddy::io::interest::writable)));
    EXPECT_TRUE(within(core, one.writable()));
    EXPECT_EQ(other.try_recv_from(into).value().size, 5u);
    auto sending = eddy::poll_fn([&](eddy::context& cx) { return one.poll_send(cx, bytes_of("67")); });
    EXPECT_EQ(within(core, std::move(sending)).value(), 2u);
    auto peeking = eddy::poll_fn([&](eddy::context& cx) { return other.poll_peek(cx, into); });
    EXPECT_EQ(within(core, std::move(peeking)).value(), 2u);
    auto peeking_from = eddy::poll_fn([&](eddy::context& cx) { return other.poll_peek_from(cx, into); });
    EXPECT_EQ(within(core, std::move(peeking_from)).value().size, 2u);
    auto receiving = eddy::poll_fn([&](eddy::context& cx) { return other.poll_recv(cx, into); });
    EXPECT_EQ(within(core, std::move(receiving)).value(), 2u);
    EXPECT_EQ(one.try_send({}).value(), 0u);
    auto empty = eddy::poll_fn([&](eddy::context& cx) { return other.poll_recv_from(cx, into); });
    EXPECT_EQ(within(core, std::move(empty)).value().size, 0u) << "an empty datagram is a datagram";
    EXPECT_FALSE(one.take_error().value());
}

// covers: P060
TEST(UnixDatagram, DatagramLargerThanBufferIsTruncated) {
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    one.try_send(bytes_of("12345")).value();
    std::array<std::byte, 3> into{};
    const auto got = within(core, other.recv_from(into)).value();
    EXPECT_EQ(got.size, 3u);
    EXPECT_TRUE(got.is_truncated);
    EXPECT_EQ(other.try_recv(into).error(), std::errc::operation_would_block);
}

// covers: P060
TEST(UnixDatagram, ShutdownEndsOneSideOrBoth) {
    using eddy::net::shutdown_side;
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    one.try_send(bytes_of("last")).value();
    EXPECT_TRUE(one.shutdown(shutdown_side::sending));
    EXPECT_EQ(one.try_send(bytes_of("x")).error(), std::errc::broken_pipe);
    EXPECT_EQ(within(core, recv_some(other)), "last") << "datagrams that were sent before still arrive";
    EXPECT_TRUE(other.try_send(bytes_of("back"))) << "the other direction is open";
    EXPECT_EQ(within(core, recv_some(one)), "back");
    EXPECT_TRUE(other.try_send(bytes_of("kept")));
    EXPECT_TRUE(one.shutdown(shutdown_side::receiving));
    EXPECT_EQ(other.try_send(bytes_of("x")).error(), std::errc::broken_pipe);
    EXPECT_EQ(within(core, recv_some(one)), "kept");
    EXPECT_TRUE(other.shutdown(shutdown_side::both));
}

// A user function for async_io: returns the size of the next datagram.
eddy::result<std::size_t> size_of_next(const unix_datagram& socket) {
    const auto size = ::recv(socket.native_handle(), nullptr, 0, MSG_PEEK | MSG_TRUNC);
    if (size < 0) return std::unexpected(std::error_code(errno, std::generic_category()));
    return static_cast<std::size_t>(size);
}

// covers: P049
TEST(UnixDatagram, AsyncIoRepeatsUserCallUntilReady) {
    using eddy::io::interest;
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    const auto look = [&] { return size_of_next(other); };
    EXPECT_EQ(other.try_io(interest::readable, look).error(), std::errc::operation_would_block);
    auto waits = other.async_io(interest::readable, look);
    auto both = eddy::join(std::move(waits), one.send(bytes_of("12345")));
    EXPECT_EQ(within(core, std::move(both)).first, 5u);
    EXPECT_EQ(other.try_io(interest::readable, look), 5u);
    const auto fails = []() -> eddy::result<void> { return std::unexpected(make_error_code(std::errc::timed_out)); };
    EXPECT_EQ(within(core, other.async_io(interest::writable, fails)).error(), std::errc::timed_out);
}

// covers: P049
TEST(UnixDatagram, DroppedAsyncIoLosesNoDatagram) {
    using eddy::io::interest;
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    const auto look = [&] { return size_of_next(other); };
    const auto never = other.try_io(interest::readable, look);
    EXPECT_FALSE(never);
    EXPECT_EQ(within(core, eddy::select(other.async_io(interest::readable, look), eddy::ready(1))).index(), 1u);
    within(core, one.send(bytes_of("123"))).value();
    EXPECT_EQ(within(core, other.async_io(interest::readable, look)), 3u);
    EXPECT_EQ(within(core, recv_some(other)), "123");
}

TEST(UnixDatagram, SendReportsErrors) {
    const support::temp_dir dir;
    eddy::core core;
    auto one = unix_datagram::unbound().value();
    EXPECT_EQ(within(core, one.send(bytes_of("x"))).error(), std::errc::not_connected);
    EXPECT_EQ(within(core, one.send_to(bytes_of("x"), dir / "missing")).error(), std::errc::no_such_file_or_directory);
    {
        const auto gone = unix_datagram::bind(dir / "gone", core.handle()).value();
    }
    EXPECT_EQ(within(core, one.send_to(bytes_of("x"), dir / "gone")).error(), std::errc::connection_refused);
    EXPECT_EQ(one.connect(dir / "gone").error(), std::errc::connection_refused);
    EXPECT_EQ(one.connect("").error(), eddy::errc::bad_path);
    one.set_send_buffer_size(10'000).value();
    EXPECT_EQ(one.send_buffer_size().value(), 20'000u);
    auto other = unix_datagram::bind(dir / "other", core.handle()).value();
    const std::vector<std::byte> large(30'000);
    EXPECT_EQ(within(core, one.send_to(large, dir / "other")).error(), std::errc::message_size);
}

/// Sends `count` datagrams, and waits while the peer's queue is full. Returns the number of datagrams sent.
eddy::task<int> send_many(unix_datagram& socket, std::optional<unix_addr> to, int count) {
    for (int i = 0; i < count; ++i) {
        const auto text = std::to_string(i);
        if (to) {
            if (!co_await socket.send_to(bytes_of(text), *to)) co_return i;
        } else {
            if (!co_await socket.send(bytes_of(text))) co_return i;
        }
    }
    co_return count;
}

eddy::task<int> receive_many(unix_datagram& socket, int count) {
    for (int i = 0; i < count; ++i) {
        if (co_await recv_some(socket) != std::to_string(i)) co_return i;
        if (i % 16 == 0) co_await eddy::yield_now();
    }
    co_return count;
}

// covers: P060
TEST(UnixDatagram, SenderWaitsWhilePeerQueueIsFull) {
    eddy::core core;
    auto [one, other] = unix_datagram::pair().value();
    auto both = eddy::join(send_many(one, std::nullopt, 2000), receive_many(other, 2000));
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.first, 2000);
    EXPECT_EQ(done.second, 2000);
}

// covers: P060
TEST(UnixDatagram, UnconnectedSenderWaitsWhileQueueIsFull) {
    eddy::core core;
    auto one = unix_datagram::unbound().value();
    auto other = unix_datagram::bind(abstract_name("queue"), core.handle()).value();
    const auto to = other.local_addr().value();
    int fits = 0;
    while (one.try_send_to(bytes_of(std::to_string(fits)), to)) ++fits;
    EXPECT_EQ(one.try_send_to(bytes_of("x"), to).error(), std::errc::operation_would_block);
    EXPECT_EQ(within(core, receive_many(other, fits)), fits);
    auto both = eddy::join(send_many(one, to, 200), receive_many(other, 200));
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.first, 200);
    EXPECT_EQ(done.second, 200);
}

TEST(UnixDatagram, FromNativeAndIntoNativeKeepDescriptor) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    auto pair = unix_datagram::pair().value();
    const auto parts = within(core, std::move(pair.first).into_native()).value();
    auto again = unix_datagram::from_native(parts.native_handle).value();
    again.try_send(bytes_of("x")).value();
    EXPECT_EQ(within(core, recv_some(pair.second)), "x");
    auto stream = eddy::net::unix_stream::pair().value();
    const auto wrong = within(core, std::move(stream.first).into_native()).value();
    EXPECT_EQ(unix_datagram::from_native(wrong.native_handle).error(), std::errc::wrong_protocol_type);
}

}  // namespace
