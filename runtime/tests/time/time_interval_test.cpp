// SPDX-License-Identifier: MIT
// Intervals on a time driver without an event loop, polled by hand.
// runs: asan
#include <eddy/test/by_hand.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/interval.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/polling.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::time::clock;
using eddy::time::interval;
using eddy::time::missed_tick_behavior;
using eddy::time::time_point;
using support::text_of_misuse;
using support::time_loop;

constexpr time_point at(std::chrono::nanoseconds since_start) { return time_point(1h + since_start); }

// covers: S78
TEST(Interval, SkipMatchesTheTableOfTokioCore) {
    struct row {
        std::chrono::milliseconds previous, now, period, next;
    };
    for (const row& r :
         {row{1ms, 2ms, 10ms, 11ms}, row{7777ms, 7788ms, 100ms, 7877ms}, row{1ms, 1000ms, 2100ms, 2101ms},
          row{1ms, 1000ms, 10ms, 1001ms}, row{7777ms, 8888ms, 100ms, 8977ms}, row{1ms, 10'000ms, 2100ms, 10'501ms}}) {
        EXPECT_EQ(next_tick(missed_tick_behavior::skip, at(r.previous), at(r.now), r.period), at(r.next))
            << r.previous.count() << " at " << r.now.count();
    }
    // More than 2^32 periods.
    EXPECT_EQ(next_tick(missed_tick_behavior::skip, at(1ns), at(25s), 2ns), at(25s + 1ns));
}

// covers: P034
TEST(Interval, NextTickFollowsTheMissedTickBehavior) {
    using enum missed_tick_behavior;
    // Ticks that are on time, or late within the tolerance for event loops: all behaviors agree.
    for (const auto behavior : {burst, delay, skip}) {
        EXPECT_EQ(next_tick(behavior, at(0ms), at(0ms), 50ms), at(50ms));
        EXPECT_EQ(next_tick(behavior, at(0ms), at(5ms), 50ms), at(50ms));
    }
    EXPECT_EQ(next_tick(burst, at(50ms), at(200ms), 50ms), at(100ms));
    EXPECT_EQ(next_tick(delay, at(50ms), at(200ms), 50ms), at(250ms));
    EXPECT_EQ(next_tick(delay, at(50ms), at(56ms), 50ms), at(106ms));
    EXPECT_EQ(next_tick(skip, at(50ms), at(75ms), 50ms), at(100ms));
    EXPECT_EQ(next_tick(skip, at(50ms), at(125ms), 50ms), at(150ms));
    EXPECT_EQ(next_tick(skip, at(50ms), at(150ms), 50ms), at(200ms));
    // The period is shorter than this tolerance.
    EXPECT_EQ(next_tick(delay, at(0ms), at(2ms), 1ms), at(3ms));
    EXPECT_EQ(next_tick(skip, at(0ms), at(2500us), 1ms), at(3ms));
}

// covers: R052
TEST(Interval, NextTickSaturates) {
    for (const auto behavior : {missed_tick_behavior::burst, missed_tick_behavior::delay, missed_tick_behavior::skip}) {
        EXPECT_EQ(next_tick(behavior, at(0ms), at(1s), eddy::time::duration::max()), time_point::max());
    }
    time_loop loop;
    auto ticks = eddy::time::interval_at(clock::now() + 24h * 365 * 200, std::chrono::hours::max());
    by_hand tick(ticks.tick());
    assert_pending(tick.poll());
}

/// The times and the deadlines of ticks in milliseconds.
struct taken {
    std::vector<std::int64_t> at, due;
};
/// Takes a tick at 0, is busy until `busy`, and then takes all ticks until 400 ms. Returns these later ticks.
taken busy_interval(missed_tick_behavior behavior, std::chrono::milliseconds busy) {
    time_loop loop;
    const auto start = clock::now();
    const auto since = [start](time_point t) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(t - start).count();
    };
    auto every = interval(50ms);
    every.set_missed_tick_behavior(behavior);
    assert_ready(by_hand(every.tick()).poll());
    loop.advance(busy);
    taken ticks;
    while (since(clock::now()) < 400) {
        by_hand tick(every.tick());
        for (auto answer = tick.poll();; answer = tick.poll()) {
            if (answer.is_ready()) {
                ticks.at.push_back(since(clock::now()));
                ticks.due.push_back(since(*answer));
                break;
            }
            if (!loop.driver().auto_advance()) throw std::logic_error("an interval without a timer");
            loop.fire();
        }
    }
    return ticks;
}

using numbers = std::vector<std::int64_t>;

// covers: P034
TEST(Interval, BurstCatchesUpOnMissedTicks) {
    const taken ticks = busy_interval(missed_tick_behavior::burst, 200ms);
    EXPECT_EQ(ticks.at, (numbers{200, 200, 200, 200, 250, 300, 350, 400}));
    EXPECT_EQ(ticks.due, (numbers{50, 100, 150, 200, 250, 300, 350, 400}));
}

// covers: P034
TEST(Interval, DelayRestartsTheSchedule) {
    const taken ticks = busy_interval(missed_tick_behavior::delay, 220ms);
    EXPECT_EQ(ticks.at, (numbers{220, 270, 320, 370, 420}));
    EXPECT_EQ(ticks.due, (numbers{50, 270, 320, 370, 420}));
}

// covers: P034
TEST(Interval, SkipOmitsMissedTicks) {
    const taken ticks = busy_interval(missed_tick_behavior::skip, 75ms);
    EXPECT_EQ(ticks.at, (numbers{75, 100, 150, 200, 250, 300, 350, 400}));
    EXPECT_EQ(busy_interval(missed_tick_behavior::skip, 220ms).at, (numbers{220, 250, 300, 350, 400}));
}

// covers: R057
TEST(Interval, ReadyTickArmsNoTimerAndMissedTicksWakeOnce) {
    for (const auto behavior : {missed_tick_behavior::burst, missed_tick_behavior::delay, missed_tick_behavior::skip}) {
        time_loop loop;
        auto every = interval(10ms);
        every.set_missed_tick_behavior(behavior);
        assert_ready(by_hand(every.tick()).poll());
        EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
        by_hand tick(every.tick());
        assert_pending(tick.poll());
        EXPECT_EQ(loop.advance(55ms), 1u);  // five periods, one wake
        EXPECT_EQ(tick.wakes(), 1u);
        assert_ready(tick.poll());
        EXPECT_EQ(tick.wakers(), 0u);
        EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
    }
}

// covers: P034
TEST(Interval, DroppedTickIsNotLost) {
    time_loop loop;
    const auto start = clock::now();
    auto every = interval(10ms);
    assert_ready(by_hand(every.tick()).poll());
    assert_pending(by_hand(every.tick()).poll());
    loop.advance(10ms);
    EXPECT_EQ(assert_ready(by_hand(every.tick()).poll()), start + 10ms);
}

// covers: P034
TEST(Interval, IsAStream) {
    static_assert(eddy::stream<eddy::time::interval_stream>);
    time_loop loop;
    const auto start = clock::now();
    auto every = eddy::time::interval_at(start + 3ms, 10ms);
    const auto waker = eddy::waker::noop();
    eddy::context cx(waker);
    EXPECT_FALSE(every.poll_next(cx).is_ready());
    loop.advance(3ms);
    EXPECT_EQ(assert_ready(every.poll_next(cx)), start + 3ms);
    loop.advance(10ms);
    EXPECT_EQ(assert_ready(every.poll_next(cx)), start + 13ms);
}

// covers: P034
TEST(Interval, ResetsMoveTheNextTick) {
    time_loop loop;
    auto every = interval(10ms);
    EXPECT_EQ(every.period(), 10ms);
    EXPECT_EQ(every.missed_tick_behavior(), missed_tick_behavior::burst);
    const auto expect_next_in = [&](std::chrono::milliseconds d) {
        const auto due = clock::now() + d;
        by_hand tick(every.tick());
        while (clock::now() < due) {
            assert_pending(tick.poll());
            loop.advance(1ms);
        }
        EXPECT_EQ(assert_ready(tick.poll()), due);
    };
    expect_next_in(0ms);
    loop.advance(5ms);
    every.reset();
    expect_next_in(10ms);
    every.reset_immediately();
    expect_next_in(0ms);
    every.reset_after(3ms);
    expect_next_in(3ms);
    every.reset_at(clock::now() + 7ms);
    expect_next_in(7ms);
    expect_next_in(10ms);
}

// covers: P034
TEST(Interval, ZeroPeriodThrows) {
    const std::string text = text_of_misuse([] { static_cast<void>(interval(0ms)); });
    EXPECT_NE(text.find("a period above zero"), std::string::npos) << text;
    EXPECT_NE(text.find("time_interval_test.cpp"), std::string::npos) << text;
    EXPECT_THROW(static_cast<void>(eddy::time::interval_at(clock::now(), -1s)), eddy::misuse);
}

// covers: P097
TEST(Interval, DroppedNextOfTheStreamTakesNoTick) {
    time_loop loop;
    const auto start = clock::now();
    auto every = interval(10ms);
    EXPECT_EQ(assert_ready(by_hand(every.next()).poll()), start);
    {
        by_hand next(every.next());
        assert_pending(next.poll());
        loop.advance(10ms);
        EXPECT_TRUE(next.is_woken());
    }
    EXPECT_EQ(assert_ready(by_hand(every.next()).poll()), start + 10ms);
    by_hand third(every.by_ref().skip(1).take(1).collect());
    assert_pending(third.poll());
    loop.advance(20ms);
    EXPECT_EQ(assert_ready(third.poll()), std::vector<time_point>{start + 30ms});
}

// ---- Extreme times ----

TEST(Interval, StartInDistantPastDoesNotOverflow) {
    const auto next = eddy::time::next_tick(eddy::time::missed_tick_behavior::skip, eddy::time::time_point::min(),
                                            eddy::time::time_point(24h), 1s);
    EXPECT_GT(next, eddy::time::time_point(24h));
    EXPECT_LE(next, eddy::time::time_point(24h) + 1s);
}

}  // namespace
