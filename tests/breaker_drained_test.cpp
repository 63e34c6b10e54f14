// SPDX-License-Identifier: MIT
// A read that registers first, since the one before was short: what that takes from sockets that cannot register.
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <utility>

#include <eddy/core.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime.hpp>
#include <eddy/spawn.hpp>
#include <eddy/task.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>
#include <eddy/wait.hpp>

#include "support/driver.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using support::read_some;

// Whoever has data gets them, as the first read does: a socket waits only when it has nothing.
TEST(BreakerDrained, WithoutIoASecondReadFindsWhatIsThere) {
    support::connection pair;
    const auto rt = eddy::runtime::builder().worker_threads(1).enable_io(false).build().value();
    pair.peer.send("first");
    EXPECT_EQ(rt.block_on(read_some(pair.stream)), "first");
    pair.peer.send("second");
    EXPECT_EQ(rt.block_on(read_some(pair.stream)), "second");
}

TEST(BreakerDrained, WithoutIoTheEndIsToldAgain) {
    support::connection pair;
    const auto rt = eddy::runtime::builder().worker_threads(1).enable_io(false).build().value();
    pair.peer.shutdown();
    EXPECT_EQ(rt.block_on(read_some(pair.stream)), "");
    EXPECT_EQ(rt.block_on(read_some(pair.stream)), "") << "the end of a stream is told as often as it is asked for";
}

TEST(BreakerDrained, UrgentDataBeforeTheFirstRegistrationLosesNothing) {
    for (const bool ends : {false, true}) {
        support::connection pair;
        pair.peer.send("abc");
        pair.peer.send_urgent('!');
        if (ends)
            pair.peer.shutdown();
        else
            pair.peer.send("def");
        eddy::core loop;
        EXPECT_EQ(loop.run(read_some(pair.stream)), "abc");
        auto next = loop.run(eddy::time::timeout(2s, read_some(pair.stream)));
        ASSERT_TRUE(next.has_value());
        EXPECT_EQ(*next, ends ? "" : "def");
    }
}

TEST(BreakerDrained, ARuntimeThatCannotHaveItsDescriptorsLeavesNone) {
    const rlim_t needed = support::has_ring() ? 8 : 6;
    for (rlim_t more = 0; more < needed + 2; ++more) {
        const support::leaves_no_descriptor check;
        const support::descriptor_limit limit(more);
        const auto rt = eddy::runtime::builder().worker_threads(2).build();
        EXPECT_EQ(rt.has_value(), more >= needed) << more;
    }
}

TEST(BreakerDrained, AStreamThatMovesBetweenItsReads) {
    support::connection pair;
    eddy::core loop;
    pair.peer.send("x");
    EXPECT_EQ(loop.run(read_some(pair.stream)), "x");
    eddy::net::tcp_stream other(std::move(pair.stream));
    pair.peer.send("y");
    auto next = loop.run(eddy::time::timeout(2s, read_some(other)));
    EXPECT_EQ(next.has_value() ? *next : "late", "y");
}

TEST(BreakerDrained, OffAnyLoopASecondReadFindsWhatIsThere) {
    support::connection pair;
    pair.peer.send("first");
    EXPECT_EQ(eddy::wait(read_some(pair.stream)), "first");
    pair.peer.send("second");
    EXPECT_EQ(eddy::wait(read_some(pair.stream)), "second");
}

}  // namespace
