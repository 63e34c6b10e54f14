// SPDX-License-Identifier: MIT
// The clock of an event loop, and the paused clock of tests, on a time driver without an event loop.
// runs: asan
#include <eddy/test/advance.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
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
using eddy::time::sleep;
using eddy::time::sleep_future;
using eddy::time::sleep_until;
using eddy::time::time_point;
using support::calling_waker;
using support::poll_with;
using support::text_of_misuse;
using support::time_loop;

// covers: P036
TEST(TimeClock, PauseResumeAndAdvanceNeedALoop) {
    by_hand step(eddy::test::advance(1ms));
    for (const auto& text : {text_of_misuse([] { eddy::test::pause(); }), text_of_misuse([] { eddy::test::resume(); }),
                             text_of_misuse([&] { static_cast<void>(step.poll()); })}) {
        EXPECT_NE(text.find("it belongs to an event loop"), std::string::npos) << text;
        EXPECT_NE(text.find("time_clock_test.cpp"), std::string::npos) << text;
    }
}

// covers: P036
TEST(TimeClock, ResumeAndAdvanceNeedAPausedClock) {
    time_loop loop(time_loop::clock::running);
    by_hand step(eddy::test::advance(1ms));
    for (const auto& text :
         {text_of_misuse([] { eddy::test::resume(); }), text_of_misuse([&] { static_cast<void>(step.poll()); })}) {
        EXPECT_NE(text.find("call eddy::test::pause() first"), std::string::npos) << text;
    }
    eddy::test::pause();
    EXPECT_NE(text_of_misuse([] { eddy::test::pause(); }).find("paused already"), std::string::npos);
    eddy::test::resume();
    EXPECT_FALSE(loop.driver().is_paused());
}

// covers: P036
TEST(TimeClock, AdvanceWakesDueTimersBeforeTheCallingTask) {
    time_loop loop;
    std::vector<char> order;
    calling_waker sleeper([&] { order.push_back('s'); }), mover([&] { order.push_back('m'); });
    auto nap = sleep(5ms);
    assert_pending(poll_with(nap, sleeper.waker()));
    auto step = eddy::test::advance(5ms);
    const auto before = clock::now();
    assert_pending(poll_with(step, mover.waker()));
    EXPECT_EQ(clock::now(), before + 5ms);
    EXPECT_EQ(order, (std::vector{'s', 'm'}));
    assert_ready(poll_with(step, mover.waker()));
    EXPECT_EQ(clock::now(), before + 5ms);
}

using nanoseconds = std::chrono::nanoseconds;
constexpr std::array<nanoseconds, 9> naps_in_a_row{1ns, 100us, 62'500ns, 62'501ns, 999'999ns, 1ms, 7ms, 3s, 25h};

/// Runs sleeps one after another on a paused clock. Returns the time since the start at the end of each sleep.
std::vector<std::int64_t> time_line() {
    time_loop loop(time_loop::clock::running);
    eddy::test::pause();
    const auto start = clock::now();
    std::vector<std::int64_t> line;
    for (const auto d : naps_in_a_row) {
        by_hand nap(sleep(d));
        while (!nap.poll().is_ready()) {
            if (!loop.driver().auto_advance()) throw std::logic_error("no timer to go on to");
            loop.fire();
        }
        line.push_back((clock::now() - start).count());
    }
    return line;
}

// covers: R059
TEST(TimeClock, PausedClockIsDeterministic) {
    std::vector<std::int64_t> expected;
    nanoseconds sum = 0ns;
    for (const auto d : naps_in_a_row) {
        sum += d;
        expected.push_back(sum.count());
    }
    for (int run = 0; run < 1000; ++run) ASSERT_EQ(time_line(), expected) << "run " << run;
}

// covers: R059
TEST(TimeClock, SmallAdvancesAddUp) {
    time_loop loop;
    by_hand nap(sleep(1ms));
    assert_pending(nap.poll());
    for (int i = 0; i < 9; ++i) EXPECT_EQ(loop.advance(100us), 0u);
    EXPECT_EQ(loop.advance(100us), 1u);
    assert_ready(nap.poll());
}

// covers: R060
TEST(TimeClock, PausedClockFiresAtTheExactDeadline) {
    for (const auto d : {1ns, 62'499ns, 62'500ns, 62'501ns, 100'000ns, 3'999'999ns, 4'000'001ns}) {
        time_loop loop;
        by_hand nap(sleep(d));
        assert_pending(nap.poll());
        EXPECT_EQ(loop.advance(d - 1ns), 0u) << d.count();
        EXPECT_EQ(loop.advance(1ns), 1u) << d.count();
    }
}

TEST(TimeClock, CoarseTimeIsCloseToNow) {
    time_loop loop(time_loop::clock::running);
    const auto coarse = loop.driver().coarse_now();
    // The limit is large, because a virtual machine may stand still.
    EXPECT_LT(std::chrono::abs(coarse - loop.driver().now()), 10s);
    EXPECT_GE(loop.driver().coarse_now(), coarse);
    eddy::test::pause();
    EXPECT_EQ(loop.driver().coarse_now(), loop.driver().now());
}

// covers: R060
TEST(TimeClock, RunningClockRoundsDeadlinesUpToTheTick) {
    constexpr auto tick = eddy::detail::time_driver::tick;
    for (const nanoseconds d : std::array<nanoseconds, 7>{0ns, 1ns, 31us, 62'499ns, 62'500ns, 1ms, 4ms}) {
        time_loop loop(time_loop::clock::running);
        auto& driver = loop.driver();
        const auto deadline = clock::now() + 1h + d;
        by_hand nap(sleep_until(deadline));
        assert_pending(nap.poll());
        EXPECT_EQ(driver.fire(deadline - 1ns), 0u);
        auto next = driver.next_deadline();
        while (driver.fire(next.value()) == 0) {  // the entry moves down from an upper level of the wheel
            ASSERT_LT(*next, deadline);
            next = driver.next_deadline();
        }
        EXPECT_GE(*next, deadline);
        EXPECT_LT(*next, deadline + tick);
    }
}

// covers: R060
TEST(TimeClock, TimersWithinOneTickFireTogether) {
    time_loop loop(time_loop::clock::running);
    auto& driver = loop.driver();
    // An instant at the edge of a tick.
    by_hand probe(sleep(1h));
    assert_pending(probe.poll());
    auto edge = driver.next_deadline().value();
    while (driver.fire(edge) == 0) edge = driver.next_deadline().value();
    edge += 10 * eddy::detail::time_driver::tick;
    by_hand first(sleep_until(edge - 2ns)), second(sleep_until(edge - 1ns)), third(sleep_until(edge + 1ns));
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(third.poll());
    EXPECT_EQ(driver.fire(edge - 1ns), 0u);
    EXPECT_EQ(driver.fire(edge), 2u);
    EXPECT_EQ(driver.fire(edge + eddy::detail::time_driver::tick), 1u);
}

// covers: R060
TEST(TimeClock, TimerHeldBackWithinATickFiresAfterResume) {
    time_loop loop;
    auto& driver = loop.driver();
    by_hand first(sleep(1us)), second(sleep(2us));
    assert_pending(first.poll());
    assert_pending(second.poll());
    EXPECT_EQ(loop.advance(1us), 1u);
    driver.resume();
    const auto next = driver.next_deadline();
    ASSERT_GE(next, second.future().deadline());
    EXPECT_EQ(driver.fire(second.future().deadline() - 1ns), 0u);
    EXPECT_EQ(driver.fire(*next), 1u);
}

// covers: R061
TEST(TimeClock, JumpFiresEachDueTimerOnce) {
    time_loop loop;
    std::deque<by_hand<sleep_future>> naps;
    for (int i = 1; i <= 100; ++i) assert_pending(naps.emplace_back(sleep(i * 1min)).poll());
    EXPECT_EQ(loop.advance(1h), 60u);
    EXPECT_EQ(loop.fire(), 0u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(naps[static_cast<std::size_t>(i)].wakes(), i < 60 ? 1u : 0u);
    EXPECT_EQ(loop.advance(-1h), 0u) << "the clock does not go back";
    EXPECT_EQ(loop.advance(40min), 40u);
}

// covers: P036
TEST(TimeClock, AutoAdvanceStopsAtTheFirstDeadline) {
    time_loop loop(time_loop::clock::running);
    by_hand nap(sleep(24h)), longer(sleep(25h)), endless(sleep(std::chrono::hours::max()));
    assert_pending(nap.poll());
    assert_pending(longer.poll());
    assert_pending(endless.poll());
    EXPECT_FALSE(loop.driver().auto_advance());
    loop.driver().pause();
    EXPECT_TRUE(loop.driver().auto_advance());
    EXPECT_EQ(clock::now(), nap.future().deadline());
    EXPECT_EQ(loop.fire(), 1u);
    longer.drop();
    EXPECT_FALSE(loop.driver().auto_advance()) << "a timer that never fires is not waited for";
}

// covers: P036
TEST(TimeClock, ResumedClockContinuesFromThePausedTime) {
    time_loop loop(time_loop::clock::running);
    auto& driver = loop.driver();
    driver.pause();
    const auto stopped = clock::now();
    driver.advance(1h);
    by_hand nap(sleep(62'501ns));
    assert_pending(nap.poll());
    driver.resume();
    const auto resumed = clock::now();
    EXPECT_GE(resumed, stopped + 1h);
    EXPECT_LT(resumed, stopped + 2h);
    driver.pause();
    EXPECT_GE(clock::now(), resumed);
    EXPECT_EQ(driver.fire(clock::now() + 1ms), 1u);
}

// covers: R052
TEST(TimeClock, ClockSaturatesAtTheMaximum) {
    time_loop loop;
    loop.driver().advance(nanoseconds::max());
    EXPECT_EQ(clock::now(), time_point::max());
    loop.driver().resume();
    EXPECT_EQ(clock::now(), time_point::max());
}

TEST(TimeClock, ClockOutsideALoopIsTheSteadyClock) {
    const auto before = std::chrono::steady_clock::now();
    const auto now = clock::now();
    EXPECT_LE(before, now);
    EXPECT_LE(now, std::chrono::steady_clock::now());
}

}  // namespace
