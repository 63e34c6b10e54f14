// SPDX-License-Identifier: MIT
// What breaks connections that are used on other threads than their driver's, and workers that are handed on.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <eddy/core.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime.hpp>
#include <eddy/spawn.hpp>
#include <eddy/spawn_blocking.hpp>
#include <eddy/task.hpp>
#include <eddy/time/timeout.hpp>

#include "support/net.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using support::read_some;

eddy::task<void> count_bytes(eddy::net::tcp_stream& stream, support::tally& bytes) {
    for (;;) {
        const std::string some = co_await read_some(stream);
        if (some.empty() || some.starts_with("error")) co_return;
        for (std::size_t i = 0; i < some.size(); ++i) bytes.add();
    }
}

// What waits for a stream must come to it while another task of the same worker blocks: that is what block_in_place is for.
TEST(BreakerUringThread, BlockInPlaceDoesNotHoldUpWhatOthersOfItsWorkerReceive) {
    support::connection pair;
    support::tally bytes;
    const auto rt = support::make_runtime(1);
    auto reader = rt.spawn(count_bytes(pair.stream, bytes));
    pair.peer.send("x");
    ASSERT_TRUE(bytes.wait_for(1));
    bool came = false;
    auto blocker = rt.spawn([&]() -> eddy::task<void> {
        eddy::block_in_place([&] {
            pair.peer.send("y");
            came = bytes.wait_for(2);
        });
        co_return;
    });
    static_cast<void>(rt.block_on(std::move(blocker)));
    EXPECT_TRUE(came) << "nobody has received it for 20 s";
    pair.peer.close();
    static_cast<void>(rt.block_on(std::move(reader)));
}

TEST(BreakerUringThread, AStreamDroppedInBlockInPlaceIsClosedAtOnce) {
    auto pair = std::make_unique<support::connection>();
    const auto rt = support::make_runtime(1);
    auto stream = std::make_unique<eddy::net::tcp_stream>(std::move(pair->stream));
    bool has_ended = false;
    auto blocker = rt.spawn([&]() -> eddy::task<void> {
        pair->peer.send("x");
        EXPECT_EQ(co_await read_some(*stream), "x");
        eddy::block_in_place([&] {
            stream.reset();
            pollfd wanted{pair->peer.fd(), POLLIN | POLLRDHUP, 0};
            has_ended = support::repeated([&] { return ::poll(&wanted, 1, 5'000); }) == 1;
        });
    });
    static_cast<void>(rt.block_on(std::move(blocker)));
    EXPECT_TRUE(has_ended) << "the peer has not seen the end for 5 s";
}

TEST(BreakerUringThread, WhatIsWrittenInBlockInPlaceGoesOut) {
    support::connection pair;
    const auto rt = support::make_runtime(1);
    std::string got;
    auto blocker = rt.spawn([&]() -> eddy::task<void> {
        EXPECT_TRUE((co_await pair.stream.write_all(support::bytes_of("a"))).has_value());
        eddy::block_in_place([&] {
            static_cast<void>(pair.stream.try_write(support::bytes_of("b")));
            got = pair.peer.receive(2);
        });
    });
    static_cast<void>(rt.block_on(std::move(blocker)));
    EXPECT_EQ(got, "ab");
}

// Readiness that comes while a small write waits for the end of a turn of another loop.
TEST(BreakerUringThread, WritableIsToldThoughASmallWriteWasQueuedMeanwhile) {
    support::connection pair;
    support::gate is_registered;
    std::atomic<bool> is_over = false;
    std::atomic<std::uint64_t> events = 0;
    std::atomic<std::uint64_t> turns = 0;
    std::thread other([&] {
        eddy::core home;
        static_cast<void>(home.run(eddy::time::timeout(0ms, read_some(pair.stream))));  // it is of this loop now
        pair.peer.send("x");
        EXPECT_EQ(home.run(read_some(pair.stream)), "x");
        is_registered.open();
        while (!is_over) {
            home.turn(1ms);
            events = home.metrics().io().ready_events;
            ++turns;
        }
    });
    ASSERT_TRUE(is_registered.wait());
    bool came = false;
    {
        eddy::core here;
        here.turn(0ms);  // so that it has what its driver has
        auto work = [&]() -> eddy::task<void> {
            const std::vector<std::byte> large(256 * 1024, std::byte{'l'});
            while (pair.stream.try_write(large)) continue;
            static_cast<void>(pair.stream.try_write(support::bytes_of("small")));
            // The peer reads all, and the stream's loop hears of that, before this loop turns again.
            pollfd room{pair.stream.native_handle(), POLLOUT, 0};
            const std::uint64_t before = events;
            do {
                static_cast<void>(pair.peer.receive(65536));
            } while (::poll(&room, 1, 0) == 0);
            EXPECT_TRUE(support::comes_true([&] { return events != before; }));
            // All that has come by now is handed out by the end of the turn after the one that is in progress.
            const std::uint64_t now = turns;
            EXPECT_TRUE(support::comes_true([&] { return turns >= now + 2; }));
            auto limited = eddy::time::timeout(5s, pair.stream.writable());
            came = (co_await limited).has_value();
        };
        here.run(work());
    }
    is_over = true;
    other.join();
    EXPECT_TRUE(came);
}

}  // namespace
