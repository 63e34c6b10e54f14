// SPDX-License-Identifier: MIT
// What a peer does that a connection's reader or writer is then told wrongly, or not at all.
#include <gtest/gtest.h>

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <eddy/core.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/task.hpp>
#include <eddy/time/timeout.hpp>

#include "support/net.hpp"

namespace {

using namespace std::chrono_literals;
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

/// Until the system knows that the peer is gone.
void wait_for_hang_up(const eddy::net::tcp_stream& stream) {
    pollfd wanted{stream.native_handle(), 0, 0};
    ASSERT_EQ(support::repeated([&] { return ::poll(&wanted, 1, 10'000); }), 1);
}

/// Until all that was sent has arrived at the other side.
void wait_until_arrived(const support::raw_socket& sender) {
    EXPECT_TRUE(support::comes_true([&] {
        int left = 0;
        return ::ioctl(sender.fd(), SIOCOUTQ, &left) == 0 && left == 0;
    }));
}

/// Reads once, so that a driver that receives by itself does so from here on.
void begin(eddy::core& loop, support::connection& pair) {
    pair.peer.send("x");
    ASSERT_EQ(loop.run(read_some(pair.stream)), "x");
}

TEST(BreakerUringPeer, AReadIntoSeveralBuffersDoesNotSwallowTheReset) {
    support::connection pair;
    eddy::core loop;
    begin(loop, pair);
    pair.peer.send("abc");
    wait_until_arrived(pair.peer);
    pair.peer.reset();
    wait_for_hang_up(pair.stream);
    for (int i = 0; i < 4; ++i) loop.turn(0ms);  // so that the driver has fetched what it fetches
    std::array<std::byte, 64> first{};
    std::array<std::byte, 64> second{};
    const std::array<std::span<std::byte>, 2> into{std::span(first).first(3), std::span(second)};
    const auto count = loop.run(pair.stream.read_vectored(into));
    ASSERT_EQ(count, 3u);
    const auto next = loop.run(pair.stream.read(second));
    EXPECT_FALSE(next.has_value()) << "a connection that was reset seems to have ended in order";
}

TEST(BreakerUringPeer, AResetIsToldToWhoeverWritesAndThenReads) {
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
    EXPECT_TRUE(told) << "the reader takes the reset for the end of the answer";
}

// Whoever looks for a whole head peeks until there is one: it may come in more pieces than a driver fetches ahead.
TEST(BreakerUringPeer, APeekSeesAllThatHasComeInSmallPieces) {
    support::connection pair;
    eddy::core loop;
    std::array<std::byte, 64> into{};
    std::string sent;
    for (char each = 'a'; each <= 'z'; ++each) {
        pair.peer.send(std::string(1, each));
        sent += each;
        wait_until_arrived(pair.peer);
        const auto some = support::within(loop, pair.stream.peek(into));
        ASSERT_TRUE(some.has_value());
        ASSERT_TRUE(sent.starts_with(support::text_of(std::span(into).first(*some))));
        loop.turn(0ms);
    }
    EXPECT_TRUE(support::comes_true([&] {
        loop.turn(0ms);
        return support::within(loop, pair.stream.peek(into)) == sent.size();
    })) << "only a part is ever seen";
    EXPECT_EQ(support::text_of(std::span(into).first(sent.size())), sent);
    EXPECT_EQ(support::within(loop, read_at_least(pair.stream, sent.size())), sent) << "a peek takes nothing";
}

// A peek may be the first to meet the reset behind what it sees.
TEST(BreakerUringPeer, APeekDoesNotSwallowTheReset) {
    support::connection pair;
    eddy::core loop;
    std::array<std::byte, 64> into{};
    for (char each = 'a'; each <= 'z'; ++each) {
        pair.peer.send(std::string(1, each));
        wait_until_arrived(pair.peer);
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
        ASSERT_TRUE(is_told || *count != 0) << "a connection that was reset seems to have ended in order";
    }
    EXPECT_TRUE(is_told);
}

// Large pieces are read without the ring; what was written still goes by it.
TEST(BreakerUringPeer, AResetIsToldToWhoeverReadsLargePiecesAndHasWritten) {
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
    if (!written) return;  // it is told already
    const auto count = support::within(loop, pair.stream.read(into));
    ASSERT_FALSE(count.has_value()) << "the reader takes the reset for the end of the answer";
    EXPECT_EQ(count.error(), std::errc::connection_reset);
    EXPECT_EQ(support::within(loop, pair.stream.read(into)), 0u) << "a reset is told once";
}

TEST(BreakerUringPeer, WhatComesBehindAnUrgentByteIsNotHeldBack) {
    for (const bool ends : {false, true}) {
        support::connection pair;
        eddy::core loop;
        begin(loop, pair);
        pair.peer.send("abc");
        pair.peer.send_urgent('!');
        ends ? pair.peer.shutdown() : pair.peer.send("def");
        wait_until_arrived(pair.peer);
        auto got = loop.run(eddy::time::timeout(2s, read_at_least(pair.stream, 6)));
        EXPECT_EQ(got ? *got : "late", ends ? "abc" : "abcdef");
    }
}

TEST(BreakerUringPeer, AnUrgentByteByItselfHoldsNothingBack) {
    support::connection pair;
    eddy::core loop;
    begin(loop, pair);
    for (int i = 0; i < 20; ++i) {
        pair.peer.send_urgent('!');
        wait_until_arrived(pair.peer);
        if (i % 2 == 0) loop.turn(0ms);
        pair.peer.send("d");
        wait_until_arrived(pair.peer);
        auto got = loop.run(eddy::time::timeout(2s, read_some(pair.stream)));
        ASSERT_EQ(got ? *got : "late", "d") << i;
    }
}

}  // namespace
