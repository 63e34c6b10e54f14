// SPDX-License-Identifier: MIT
// What breaks a ring's receives that begin at once, its accepts that bring the peer's address, and what a listener's end hands out.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <eddy/core.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/waker.hpp>

#include "driver/received_chunk.hpp"
#include "driver/uring.hpp"
#include "io/io_handle.hpp"
#include "io/stream_source.hpp"
#include "support/deny_io_uring.hpp"
#include "support/driver.hpp"
#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/ring_parts.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::detail::io_handle;
using eddy::detail::stream_source;
using received = stream_source::received;
using support::add_to;
using support::owned_io;
using support::raw_socket;

/// Calls when something comes for the stream.
void call_when(stream_source& stream, eddy::detail::direction way, support::calling_waker& calls) {
    const eddy::waker waker = calls.waker();
    eddy::context cx(waker);
    stream.clear_blocked(stream.look(eddy::io::ready::all));
    EXPECT_FALSE(stream.wait(way, cx, nullptr).is_ready());
}

/// A driver with a ring of this thread, and a listener of it, whose accept is in flight.
class BreakerUringToday : public testing::Test {
protected:
    void SetUp() override {
        auto made = io_handle::make(eddy::driver_kind::io_uring);
        if (!made) GTEST_SKIP() << "there is no io_uring: " << made.error().message();
        io.reset(*made);
        turn();
        listener = *io->add_stream(::dup(listening.fd()), stream_source::brings::connections);
        ASSERT_EQ(listener->take(*io).what, received::nothing);
        turn();
    }
    void TearDown() override { close_listener(); }

    void turn(std::chrono::nanoseconds limit = 0ns) const { ASSERT_TRUE(io->turn(limit).has_value()); }
    void close_listener() {
        if (listener != nullptr) io->close_stream(*std::exchange(listener, nullptr));
    }

    const raw_socket listening = raw_socket::listening();
    support::connection pair;
    owned_io io;
    stream_source* listener = nullptr;
};

// The last bytes of a stream, and its end behind them, are handed out at once. Whoever is woken by the bytes destroys a listener, which
// hands out the end, and then the stream.
TEST_F(BreakerUringToday, AStreamMayBeDestroyedByWhoeverIsWokenByItsBytesWhileAListenerEnds) {
    stream_source& stream = add_to(*io, pair);
    ASSERT_EQ(stream.take(*io).what, received::nothing);
    turn();
    const std::string large(16 * 1024, 'x');
    const auto send_large = [&] {
        pair.peer.send(large);
        EXPECT_TRUE(support::comes_true([&] {
            int count = 0;
            return ::ioctl(stream.fd(), FIONREAD, &count) == 0 && count == static_cast<int>(large.size());
        }));
    };
    std::size_t pieces = 0;
    for (; pieces < 7; ++pieces) {  // one less than makes it bulky
        send_large();
        turn();
        auto* const chunk = stream.take_chunk();
        ASSERT_NE(chunk, nullptr);
        ASSERT_EQ(chunk->size(), large.size()) << "in more than one piece";
        chunk->give_back();
    }
    send_large();
    pair.peer.shutdown();
    raw_socket(::dup(stream.fd())).wait_for(POLLRDHUP);
    bool is_destroyed = false;
    support::calling_waker ends([&] {
        close_listener();
        io->close_stream(stream);
        is_destroyed = true;
    });
    call_when(stream, eddy::detail::direction::read, ends);
    turn();
    EXPECT_TRUE(is_destroyed);
}

// ---- Where standard input, output and error are closed ----

/// Accepts ahead: the future is dropped while it waits, and then somebody connects.
eddy::task<void> accept_and_drop(eddy::net::tcp_listener& listener) {
    eddy::test::by_hand waits(listener.accept());
    EXPECT_FALSE(waits.poll().is_ready());
    co_return;
}

/// A listener of which somebody has dropped an accept.
eddy::net::tcp_listener listener_that_accepts_ahead(eddy::core& loop) {
    auto listener = loop.run(eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    loop.run(accept_and_drop(listener));
    for (int i = 0; i < 2; ++i) loop.turn(0ms);
    return listener;
}

/// Where nothing is the standard output, somebody connects.
raw_socket connect_without_output(eddy::core& loop, const eddy::net::tcp_listener& listener) {
    auto peer = raw_socket::connected(listener.local_addr().value());
    ::close(STDOUT_FILENO);
    for (int i = 0; i < 4; ++i) loop.turn(0ms);
    return peer;
}

TEST(BreakerUringAccept, AConnectionThatIsAcceptedAheadIsNotTheStandardOutput) {
    EXPECT_TRUE(support::is_true_in_child([] {
        eddy::core loop;
        const auto listener = listener_that_accepts_ahead(loop);
        const auto peer = connect_without_output(loop, listener);
        const bool is_taken = ::fcntl(STDOUT_FILENO, F_GETFD) >= 0;
        return !is_taken;
    })) << "what the program prints goes to a peer";
}

TEST(BreakerUringAccept, AListenerThatIsGivenUpGivesNoStandardOutput) {
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

// ---- Whatever comes of peers ----

struct met {
    eddy::net::socket_addr told;
    eddy::net::socket_addr asked;
};

eddy::task<met> meet(eddy::net::tcp_listener& listener) {
    auto accepted = co_await listener.accept();
    const auto asked = accepted.value().stream.peer_addr();
    co_return met{accepted->peer, asked.value()};
}

TEST(BreakerUringAccept, ThePeerThatIsToldIsTheOneThatTheSocketHas) {
    eddy::core loop;
    for (const char* where : {"127.0.0.1:0", "[::1]:0", "[::]:0"}) {
        SCOPED_TRACE(where);
        auto bound = loop.run(eddy::net::tcp_listener::bind(where));
        if (!bound) continue;  // without IPv6
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

TEST(BreakerUringAccept, AConnectionThatWasResetBeforeItWasHandedOutIsHandedOut) {
    eddy::core loop;
    auto listener = listener_that_accepts_ahead(loop);
    auto gone = raw_socket::connected(listener.local_addr().value());
    const auto port = gone.addr().port();
    gone.reset();
    auto accepted = support::within(loop, listener.accept());
    ASSERT_TRUE(accepted.has_value()) << accepted.error().message();
    EXPECT_EQ(accepted->peer.port(), port);
}

// ---- A ring that is lost ----

eddy::task<void> begin_to_read(eddy::net::tcp_stream& stream) {
    std::array<std::byte, 4> into{};
    eddy::test::by_hand reads(stream.read(into));
    EXPECT_FALSE(reads.poll().is_ready());
    EXPECT_FALSE(reads.poll().is_ready());
    co_return;
}

// A filter forbids io_uring_enter(2). Whoever catches what run() throws goes on with another loop; and what was dropped is closed, also
// if something was received for it, or was to be sent.
TEST(BreakerUringLost, WhatIsDroppedIsClosedThoughTheRingIsForbidden) {
    if (!support::has_ring()) GTEST_SKIP() << "there is no ring to be lost";
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
        })) << "the peer waits for ever";
    }
}

// ---- Leases ----

TEST(BreakerUringLease, ALeaseOutlivesItsStreamAndItsLoopWhereverItIsMoved) {
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
        first = std::move(second);  // which is empty otherwise
        EXPECT_EQ(support::text_of(first), "first");
        std::array<std::byte, 3> some{};
        pair.peer.send("abcdefgh");
        ASSERT_EQ(support::within(loop, pair.stream.read(some)).value(), 3u);
        const auto rest = support::within(loop, pair.stream.receive()).value();
        EXPECT_EQ(support::text_of(rest), "defgh");
    }
    EXPECT_EQ(support::text_of(kept), "second");
}

/// Drops the write of a lease to a full socket, and then, when the peer reads, writes another one.
eddy::task<void> write_two_to_a_full_socket(support::connection& from, eddy::net::tcp_stream& to, std::size_t size,
                                            support::gate& is_full) {
    from.peer.send(std::string(size, 'a'));
    auto first = (co_await from.stream.receive()).value();
    from.peer.send(std::string(size, 'b'));
    auto second = (co_await from.stream.receive()).value();
    EXPECT_EQ(second.size(), size);
    static_cast<void>(co_await support::read_and_fill(to));
    {
        eddy::test::by_hand dropped(to.write_owned(std::move(first)));
        EXPECT_FALSE(dropped.poll().is_ready());
    }
    is_full.open();
    const auto written = co_await to.write_owned(std::move(second));
    EXPECT_TRUE(written.has_value());
    EXPECT_TRUE((co_await to.shutdown()).has_value());
}

TEST(BreakerUringLease, AfterAWriteOfALeaseThatIsDroppedAtAFullSocketTheNextOneArrives) {
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
        EXPECT_TRUE(all.ends_with('b')) << "in another order";
    }
}

}  // namespace
