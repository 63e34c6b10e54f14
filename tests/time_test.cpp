// SPDX-License-Identifier: MIT
// Sleeps, intervals and timeouts on a time driver without its loop, polled by hand.
#include <eddy/test/by_hand.hpp>
#include <eddy/test/clock.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/interval.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <source_location>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/task.hpp>

#include "support/stress.hpp"
#include "support/time_loop.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using eddy::time::clock;
using eddy::time::interval;
using eddy::time::missed_tick_behavior;
using eddy::time::sleep;
using eddy::time::sleep_future;
using eddy::time::sleep_until;
using eddy::time::time_point;
using eddy::time::timeout;
using support::time_loop;

/// A waker that calls a function when it is woken; or, too, when it is cloned and dropped: what a stranger's executor
/// might do.
class calling_waker {
public:
    explicit calling_waker(std::function<void()> f) : f_(std::move(f)) {}

    [[nodiscard]] eddy::waker waker() noexcept { return {&on_wake, &f_}; }
    [[nodiscard]] eddy::waker waker_that_always_calls() noexcept { return {&always, &f_}; }

private:
    static void call(void* f) noexcept { (*static_cast<std::function<void()>*>(f))(); }
    static void* call_and_clone(void* f) noexcept {
        call(f);
        return f;
    }
    static constexpr eddy::waker_vtable on_wake{[](void* f) noexcept { return f; }, call, call, [](void*) noexcept {}};
    static constexpr eddy::waker_vtable always{call_and_clone, call, call, call};

    std::function<void()> f_;
};

template <class F>
auto poll_with(F& future, const eddy::waker& waker) {
    eddy::context cx(waker);
    return future.poll(cx);
}

template <class Fn>
std::string text_of_misuse(Fn&& f) {
    try {
        std::forward<Fn>(f)();
    } catch (const eddy::misuse& e) {
        return e.what();
    }
    return "(nothing was thrown)";
}

// ---- Sleep ----

TEST(Sleep, P033_IsReadyAtItsDeadlineAndWokenOnce) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    EXPECT_EQ(loop.advance(10ms - 1ns), 0u);
    assert_pending(nap.poll());
    EXPECT_EQ(loop.advance(1ns), 1u);
    EXPECT_EQ(nap.wakes(), 1u);
    assert_ready(nap.poll());
    EXPECT_EQ(nap.wakers(), 0u);
}

TEST(Sleep, P033_CountsFromTheCallAndNotFromTheFirstPoll) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    loop.advance(10ms);
    assert_ready(nap.poll());
}

TEST(Sleep, P033_PastDeadlinesAreReadyAtOnceWithoutATimer) {
    time_loop loop(time_loop::clock::running);
    assert_ready(by_hand(sleep(0s)).poll());
    assert_ready(by_hand(sleep(-5s)).poll());
    assert_ready(by_hand(sleep_until(clock::now())).poll());
    assert_ready(by_hand(sleep_until(time_point::min())).poll());
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

TEST(Sleep, P033_DoesNothingBeforeTheFirstPoll) {
    time_loop loop;
    const auto nap = sleep(1ms);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
    EXPECT_FALSE(nap.is_elapsed());
    loop.advance(1ms);
    EXPECT_TRUE(nap.is_elapsed());
}

TEST(Sleep, P033_DroppingItTakesTheTimerAndTheWakerAlong) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    EXPECT_EQ(nap.wakers(), 1u);
    nap.drop();
    EXPECT_EQ(nap.wakers(), 0u);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

TEST(Sleep, P033_UnderAUsedUpBudgetItGivesWay) {
    time_loop loop;
    by_hand nap(sleep(0s));
    assert_pending(nap.poll(0));
    EXPECT_EQ(nap.wakes(), 1u);
    assert_ready(nap.poll(1));
}

TEST(Sleep, P033_WaitingCostsNoBudget) {
    time_loop loop;
    auto nap = sleep(1ms);
    const auto waker = eddy::waker::noop();
    eddy::context cx(waker, 1);
    assert_pending(nap.poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
    loop.advance(1ms);
    assert_ready(nap.poll(cx));
    EXPECT_EQ(cx.budget(), 0u);
}

TEST(Sleep, P033_ResetMovesTheDeadlineOfAWaitingSleep) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    const auto later = clock::now() + 30ms;
    nap.future().reset(later);  // and nobody polls it again
    EXPECT_EQ(nap.future().deadline(), later);
    EXPECT_EQ(loop.advance(29ms), 0u);
    EXPECT_EQ(loop.advance(1ms), 1u);
    EXPECT_EQ(nap.wakes(), 1u);
    assert_ready(nap.poll());
}

TEST(Sleep, P033_ResetToAnEarlierOrPastDeadlineWakes) {
    time_loop loop;
    by_hand nap(sleep(10s));
    assert_pending(nap.poll());
    nap.future().reset(clock::now() + 1ms);
    EXPECT_EQ(loop.advance(1ms), 1u);
    nap.future().reset(clock::now() + 1h);
    assert_pending(nap.poll());
    nap.future().reset(clock::now() - 1s);
    EXPECT_EQ(loop.fire(), 1u);
    assert_ready(nap.poll());
}

TEST(Sleep, P033_ResetOfASleepThatHasEndedStartsItAnew) {
    time_loop loop;
    by_hand nap(sleep(1ms));
    assert_pending(nap.poll());
    loop.advance(1ms);
    assert_ready(nap.poll());
    nap.future().reset(clock::now() + 1ms);
    assert_pending(nap.poll());
    EXPECT_EQ(loop.advance(1ms), 1u);
    assert_ready(nap.poll());
}

TEST(Sleep, P033_ResetMovesItToTheLoopOfThisThread) {
    time_loop first;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    time_loop second;
    nap.future().reset(clock::now() + 5ms);
    EXPECT_EQ(first.driver().next_deadline(), std::nullopt);
    EXPECT_EQ(second.advance(5ms), 1u);
    assert_ready(nap.poll());
}

TEST(Sleep, NeedsALoopAndSaysWhereItWasMade) {
    const auto line = std::source_location::current().line() + 1;
    by_hand nap(sleep(10ms));
    const std::string text = text_of_misuse([&] { static_cast<void>(nap.poll()); });
    EXPECT_NE(text.find("a sleep needs an event loop on this thread"), std::string::npos) << text;
    EXPECT_NE(text.find("time_test.cpp:" + std::to_string(line)), std::string::npos) << text;
}

TEST(Sleep, StaysInItsWheelWhenItIsPolledOnAnotherLoop) {
    time_loop first;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    {
        const support::inside nowhere(nullptr);
        assert_pending(nap.poll());
    }
    time_loop second;
    assert_pending(nap.poll());
    EXPECT_EQ(second.driver().next_deadline(), std::nullopt);
    EXPECT_EQ(first.advance(10ms), 1u);
    assert_ready(nap.poll());
}

TEST(Sleep, WhoseLoopHasGoneGoesOnInAnother) {
    std::optional<time_loop> first(std::in_place);
    by_hand nap(sleep(10ms));
    by_hand endless(sleep_until(time_point::max()));
    assert_pending(nap.poll());
    assert_pending(endless.poll());
    first.reset();
    EXPECT_EQ(nap.wakes(), 1u);
    EXPECT_EQ(endless.wakes(), 1u);
    EXPECT_THROW(static_cast<void>(nap.poll()), eddy::misuse);
    time_loop second;
    assert_pending(nap.poll());
    second.advance(10ms);
    EXPECT_EQ(nap.wakes(), 2u);
    assert_ready(nap.poll());
}

TEST(Sleep, OnALoopThatHasShutDownIsMisuse) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    loop.driver().shutdown();
    EXPECT_EQ(nap.wakes(), 1u);
    const std::string text = text_of_misuse([&] { static_cast<void>(nap.poll()); });
    EXPECT_NE(text.find("event loop that has shut down"), std::string::npos) << text;
    EXPECT_EQ(nap.wakers(), 0u);
}

TEST(Sleep, R049_DroppedByAnotherTimersWakeInTheSameTick) {
    // 40 timers: some are in the batch that is being woken, and some still in the list behind it.
    for (const std::size_t victim : {1u, 31u, 32u, 39u}) {
        for (const auto distance : {-1ms, 0ms, 1ms}) {
            time_loop loop;
            std::vector<std::unique_ptr<sleep_future>> naps;
            for (int i = 0; i < 40; ++i) naps.push_back(std::make_unique<sleep_future>(clock::now() + 2ms));
            naps[victim]->reset(clock::now() + 2ms + distance);
            eddy::test::wake_counter others;
            calling_waker dropping([&] { naps[victim].reset(); });
            for (auto& nap : naps) {
                assert_pending(poll_with(*nap, nap == naps.front() ? dropping.waker() : others.waker()));
            }
            loop.advance(2ms);
            EXPECT_EQ(naps[victim], nullptr);
            loop.advance(1ms);
            const bool taken_before = distance < 0ms || (distance == 0ms && victim < 32);
            EXPECT_EQ(others.wakes(), taken_before ? 39u : 38u) << "victim " << victim << ", at " << distance.count();
            EXPECT_EQ(others.wakers(), 0u);
        }
    }
}

TEST(Sleep, R051_AnEarlierDeadlineUnparksTheLoop) {
    eddy::test::wake_counter unparked;
    time_loop loop(time_loop::clock::paused, unparked.waker());
    by_hand first(sleep(10s)), later(sleep(20s)), earlier(sleep(1ms));
    assert_pending(first.poll());
    EXPECT_EQ(unparked.wakes(), 1u);
    assert_pending(later.poll());
    EXPECT_EQ(unparked.wakes(), 1u);
    assert_pending(earlier.poll());
    EXPECT_EQ(unparked.wakes(), 2u);
    EXPECT_LE(*loop.driver().next_deadline(), earlier.future().deadline() + eddy::detail::time_driver::tick);
}

TEST(Sleep, R052_HugeDurationsSaturateAndNeverEnd) {
    time_loop loop;
    std::deque<by_hand<sleep_future>> naps;
    naps.emplace_back(sleep(std::chrono::nanoseconds::max()));
    naps.emplace_back(sleep(std::chrono::hours::max()));
    naps.emplace_back(sleep(std::chrono::duration<double>(1e300)));
    naps.emplace_back(sleep(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())));
    naps.emplace_back(sleep(std::chrono::duration<std::uint64_t>::max()));
    naps.emplace_back(sleep_until(time_point::max()));
    naps.emplace_back(sleep_until(time_point::max() - 1ns));
    for (auto& nap : naps) assert_pending(nap.poll());
    loop.advance(24h * 365 * 100);
    for (auto& nap : naps) EXPECT_EQ(nap.wakes(), 0u);
    EXPECT_EQ(naps[1].future().deadline(), time_point::max());
}

TEST(Sleep, R052_ResetToNeverAndBackKeepsTheWakerAndLeavesTheNeighboursAlone) {
    time_loop loop;
    by_hand nap(sleep(10ms)), neighbour(sleep(10ms));
    assert_pending(nap.poll());
    assert_pending(neighbour.poll());
    nap.future().reset(time_point::max());
    nap.future().reset(clock::now() + 20ms);
    EXPECT_EQ(loop.advance(10ms), 1u);
    EXPECT_EQ(neighbour.wakes(), 1u);
    EXPECT_EQ(loop.advance(10ms), 1u);
    EXPECT_EQ(nap.wakes(), 1u);
}

TEST(Sleep, R052_HugeNegativeDurationsArePast) {
    time_loop loop;
    assert_ready(by_hand(sleep(std::chrono::nanoseconds::min())).poll());
    assert_ready(by_hand(sleep(std::chrono::hours::min())).poll());
    assert_ready(by_hand(sleep(std::chrono::duration<double>(-1e300))).poll());
}

TEST(Sleep, P037_DurationsAreRoundedUpToTheClocksUnit) {
    using picoseconds = std::chrono::duration<std::int64_t, std::pico>;
    static_assert(eddy::time::round_up(picoseconds(1)) == 1ns);
    static_assert(eddy::time::round_up(picoseconds(-1)) == 0ns);
    static_assert(eddy::time::round_up(3ms) == 3'000'000ns);
    static_assert(eddy::time::round_up(std::chrono::duration<double>(0.25)) == 250ms);
    static_assert(eddy::time::saturating_add(time_point::max() - 1ns, 2ns) == time_point::max());
    static_assert(eddy::time::saturating_add(time_point::min() + 1ns, -2ns) == time_point::min());
    EXPECT_EQ(eddy::time::deadline_after(std::chrono::hours::max()), time_point::max());
}

TEST(Sleep, R054_TimersThatAreArmedAgainWhileTheyFireWaitForTheNextTurn) {
    time_loop loop;
    std::array<eddy::detail::timer_entry, 40> timers;  // more than one batch, so that some still fire meanwhile
    const auto past = clock::now();
    std::size_t next = 0;
    calling_waker again({});
    again = calling_waker([&] {
        if (next < 80) loop.driver().arm(timers[next++ % 40], past, again.waker());
    });
    for (auto& timer : timers) loop.driver().arm(timer, past, again.waker());
    EXPECT_EQ(loop.fire(), 40u);
    EXPECT_EQ(next, 40u);
    EXPECT_LE(loop.driver().next_deadline(), clock::now()) << "the loop must not park";
    EXPECT_EQ(loop.fire(), 40u);
    EXPECT_EQ(loop.fire(), 40u);
    EXPECT_EQ(loop.fire(), 0u);
}

TEST(Sleep, R055_ShutdownInsideFireStopsTheRestAndNoneDangles) {
    time_loop loop;
    constexpr std::size_t batch = 32;
    std::array<eddy::detail::timer_entry, 100> timers;
    eddy::test::wake_counter others;
    calling_waker stopping([&] { loop.driver().shutdown(); });
    for (auto& timer : timers) {
        loop.driver().arm(timer, clock::now() + 1ms, &timer == timers.data() ? stopping.waker() : others.waker());
    }
    EXPECT_EQ(loop.advance(1ms), batch);
    for (std::size_t i = 0; i < timers.size(); ++i) EXPECT_EQ(timers[i].is_fired(), i < batch) << i;
    for (std::size_t i = 0; i < timers.size(); ++i) EXPECT_EQ(timers[i].is_gone(), i >= batch) << i;
    EXPECT_EQ(others.wakes(), timers.size() - 1);
    EXPECT_EQ(others.wakers(), 0u);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

TEST(Sleep, R056_R069_TheWakerOfTheLastPollCounts) {
    time_loop loop;
    auto nap = sleep(10ms);
    eddy::test::wake_counter first, second;
    assert_pending(poll_with(nap, first.waker()));
    assert_pending(poll_with(nap, second.waker()));
    EXPECT_EQ(first.wakers(), 0u);
    loop.advance(10ms);
    EXPECT_EQ(first.wakes(), 0u);
    EXPECT_EQ(second.wakes(), 1u);
}

TEST(Sleep, R068_WakersMayComeBackForTheLockWheneverTheyAreCalled) {
    time_loop loop;
    int calls = 0;
    const auto lock_again = [&] {
        ++calls;
        loop.driver().pause();  // it stands already: only the lock counts
    };
    calling_waker one(lock_again), other(lock_again);
    auto nap = sleep(1ms);
    assert_pending(poll_with(nap, one.waker_that_always_calls()));
    assert_pending(poll_with(nap, other.waker_that_always_calls()));
    nap.reset(clock::now() + 2ms);
    loop.advance(2ms);
    assert_ready(poll_with(nap, one.waker_that_always_calls()));
    nap.reset(clock::now() + 1ms);
    assert_pending(poll_with(nap, one.waker_that_always_calls()));
    loop.driver().shutdown();
    // Three clones, one of them dropped when it was replaced and two woken; and the four wakers made here.
    EXPECT_EQ(calls, 3 + 1 + 2 + 4);
}

TEST(Sleep, R068_ATimerThatFiresWhileItsNewWakerIsClonedIsReady) {
    time_loop loop;
    auto nap = sleep(1ms);
    assert_pending(poll_with(nap, eddy::test::wake_counter().waker()));
    calling_waker advancing([&] { loop.advance(1ms); });
    assert_ready(poll_with(nap, advancing.waker_that_always_calls()));
}

using nanoseconds = std::chrono::nanoseconds;
constexpr std::array<nanoseconds, 9> naps_in_a_row{1ns, 100us, 62'500ns, 62'501ns, 999'999ns, 1ms, 7ms, 3s, 25h};

/// What a virtual time line of sleeps looks like: how far each was from the start when it ended.
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

TEST(Sleep, R059_APausedClockShowsTheSameInstantsInEachRun) {
    std::vector<std::int64_t> expected;
    nanoseconds sum = 0ns;
    for (const auto d : naps_in_a_row) {
        sum += d;
        expected.push_back(sum.count());
    }
    for (int run = 0; run < 1000; ++run) ASSERT_EQ(time_line(), expected) << "run " << run;
}

TEST(Sleep, R059_SmallStepsAddUp) {
    time_loop loop;
    by_hand nap(sleep(1ms));
    assert_pending(nap.poll());
    for (int i = 0; i < 9; ++i) EXPECT_EQ(loop.advance(100us), 0u);
    EXPECT_EQ(loop.advance(100us), 1u);
    assert_ready(nap.poll());
}

TEST(Sleep, R060_APausedClockFiresAtTheExactDeadlineAndNotBefore) {
    for (const auto d : {1ns, 62'499ns, 62'500ns, 62'501ns, 100'000ns, 3'999'999ns, 4'000'001ns}) {
        time_loop loop;
        by_hand nap(sleep(d));
        assert_pending(nap.poll());
        EXPECT_EQ(loop.advance(d - 1ns), 0u) << d.count();
        EXPECT_EQ(loop.advance(1ns), 1u) << d.count();
    }
}

TEST(Sleep, R060_ARunningClockRoundsUpToTheTick) {
    constexpr auto tick = eddy::detail::time_driver::tick;
    for (const nanoseconds d : std::array<nanoseconds, 7>{0ns, 1ns, 31us, 62'499ns, 62'500ns, 1ms, 4ms}) {
        time_loop loop(time_loop::clock::running);
        auto& driver = loop.driver();
        const auto deadline = clock::now() + 1h + d;
        by_hand nap(sleep_until(deadline));
        assert_pending(nap.poll());
        EXPECT_EQ(driver.fire(deadline - 1ns), 0u);
        auto next = driver.next_deadline();
        while (driver.fire(next.value()) == 0) {  // further up in the wheel, and on its way down
            ASSERT_LT(*next, deadline);
            next = driver.next_deadline();
        }
        EXPECT_GE(*next, deadline);
        EXPECT_LT(*next, deadline + tick);
    }
}

TEST(Sleep, R060_WhatEndsWithinATickFiresTogetherAtItsEnd) {
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

TEST(Sleep, R060_WhatAPausedClockHeldBackWithinATickFiresAtItsDeadlineAfterResume) {
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

TEST(SleepStress, R060_NothingIsEarlyByTheRealClock) {
    time_loop loop(time_loop::clock::running);
    for (std::uint64_t i = 0; i < support::rounds(1000); ++i) {
        by_hand nap(sleep(1ms + std::chrono::microseconds(i * 337 % 4000)));
        int polls = 1;
        while (!nap.poll().is_ready()) {
            ++polls;
            while (!nap.is_woken()) {
                std::this_thread::sleep_until(*loop.driver().next_deadline());  // the loop parks
                loop.fire();
            }
        }
        ASSERT_GE(std::chrono::steady_clock::now(), nap.future().deadline());
        ASSERT_LE(polls, 2);
    }
}

TEST(Sleep, R061_AClockThatJumpsFiresEverythingThatIsDueOnce) {
    time_loop loop;
    std::deque<by_hand<sleep_future>> naps;
    for (int i = 1; i <= 100; ++i) assert_pending(naps.emplace_back(sleep(i * 1min)).poll());
    EXPECT_EQ(loop.advance(1h), 60u);
    EXPECT_EQ(loop.fire(), 0u);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(naps[static_cast<std::size_t>(i)].wakes(), i < 60 ? 1u : 0u);
    EXPECT_EQ(loop.advance(-1h), 0u) << "the clock does not go back";
    EXPECT_EQ(loop.advance(40min), 40u);
}

TEST(Sleep, P036_AutoAdvanceGoesToTheFirstDeadlineAndOnlyWhilePaused) {
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
    EXPECT_FALSE(loop.driver().auto_advance()) << "what never ends is not waited for";
}

TEST(Sleep, P036_AfterResumeTheClockGoesOnFromWhereItStood) {
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

TEST(Sleep, R052_AClockThatWasMovedToItsEndStaysThere) {
    time_loop loop;
    loop.driver().advance(nanoseconds::max());
    EXPECT_EQ(clock::now(), time_point::max());
    loop.driver().resume();
    EXPECT_EQ(clock::now(), time_point::max());
}

TEST(Sleep, OutsideALoopTheClockIsTheSteadyClock) {
    const auto before = std::chrono::steady_clock::now();
    const auto now = clock::now();
    EXPECT_LE(before, now);
    EXPECT_LE(now, std::chrono::steady_clock::now());
}

using naps_under_way = std::vector<std::unique_ptr<sleep_future>>;

/// A place for one thing, through which a thread hands it to another.
class handover {
public:
    ~handover() { delete place_.load(std::memory_order_acquire); }

    void put(std::unique_ptr<naps_under_way> naps) {
        naps_under_way* empty = nullptr;
        while (!place_.compare_exchange_weak(empty, naps.get(), std::memory_order_release, std::memory_order_relaxed)) {
            empty = nullptr;
            std::this_thread::yield();
        }
        static_cast<void>(naps.release());
    }
    std::unique_ptr<naps_under_way> take() {
        return std::unique_ptr<naps_under_way>(place_.exchange(nullptr, std::memory_order_acquire));
    }

private:
    std::atomic<naps_under_way*> place_{nullptr};
};

/// Tasks that have migrated: polled off their loop, or not, and dropped.
void poll_and_drop(naps_under_way& naps, const eddy::waker& waker) {
    for (std::size_t i = 0; i < naps.size(); ++i) {
        try {
            if (i % 2 != 0) static_cast<void>(poll_with(*naps[i], waker));
        } catch (const eddy::misuse&) {  // its loop has just gone
        }
        naps[i].reset();
    }
}

TEST(SleepStress, R050_ArmedOnOneThreadAndDroppedOnAnotherWhileTheyFire) {
    const eddy::test::wake_counter arming, dropping;
    handover through;
    std::atomic<bool> over{false};
    std::thread dropper([&] {
        const auto waker = dropping.waker();
        while (!over.load(std::memory_order_acquire)) {
            if (const auto naps = through.take()) poll_and_drop(*naps, waker);
        }
    });
    for (std::uint64_t round = support::rounds(5'000); round != 0; --round) {
        time_loop loop;
        const auto waker = arming.waker();
        for (int batch = 0; batch < 4; ++batch) {
            auto naps = std::make_unique<naps_under_way>();
            for (int i = 0; i < 100; ++i) {
                naps->push_back(std::make_unique<sleep_future>(clock::now() + std::chrono::microseconds(1 + i)));
                assert_pending(poll_with(*naps->back(), waker));
            }
            through.put(std::move(naps));
            for (int i = 0; i < 11; ++i) loop.advance(10us);
        }
    }
    over.store(true, std::memory_order_release);
    dropper.join();
    through.take().reset();
    EXPECT_EQ(arming.wakers(), 0u);
    EXPECT_EQ(dropping.wakers(), 0u);
}

TEST(SleepStress, P038_TimersByTheMillion) {
    time_loop loop;
    const auto count = support::rounds(1'000'000);
    std::mt19937_64 random(support::seed());
    eddy::test::wake_counter counter;
    std::deque<std::optional<sleep_future>> naps;
    const auto waker = counter.waker();
    eddy::context cx(waker, std::numeric_limits<std::uint32_t>::max());
    for (std::uint64_t i = 0; i < count; ++i) {
        naps.emplace_back(std::in_place, clock::now() + 1ms + std::chrono::microseconds(random() % 3'600'000'000));
        assert_pending((*naps.back()).poll(cx));
    }
    std::uint64_t live = count;
    for (auto& nap : naps) {
        if (random() % 2 == 0) continue;
        nap.reset();
        --live;
    }
    std::uint64_t fired = 0;
    while (loop.driver().auto_advance()) fired += loop.fire();
    EXPECT_EQ(fired, live);
    EXPECT_EQ(counter.wakes(), live);
    for (auto& nap : naps) EXPECT_TRUE(!nap || nap->poll(cx).is_ready());
}

// ---- The clock of tests ----

TEST(TestClock, P036_PauseResumeAndAdvanceNeedALoop) {
    by_hand step(eddy::test::advance(1ms));
    for (const auto& text : {text_of_misuse([] { eddy::test::pause(); }), text_of_misuse([] { eddy::test::resume(); }),
                             text_of_misuse([&] { static_cast<void>(step.poll()); })}) {
        EXPECT_NE(text.find("it belongs to an event loop"), std::string::npos) << text;
        EXPECT_NE(text.find("time_test.cpp"), std::string::npos) << text;
    }
}

TEST(TestClock, P036_ResumeAndAdvanceNeedAPausedClock) {
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

TEST(TestClock, P036_AdvanceWakesWhatIsDueBeforeItsOwnTask) {
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

// ---- Interval ----

constexpr time_point at(std::chrono::nanoseconds since_start) { return time_point(1h + since_start); }

TEST(Interval, S78_NextIntervalTableOfTokioCore) {
    struct row {
        std::chrono::milliseconds previous, now, period, next;
    };
    for (const row& r :
         {row{1ms, 2ms, 10ms, 11ms}, row{7777ms, 7788ms, 100ms, 7877ms}, row{1ms, 1000ms, 2100ms, 2101ms},
          row{1ms, 1000ms, 10ms, 1001ms}, row{7777ms, 8888ms, 100ms, 8977ms}, row{1ms, 10'000ms, 2100ms, 10'501ms}}) {
        EXPECT_EQ(next_tick(missed_tick_behavior::skip, at(r.previous), at(r.now), r.period), at(r.next))
            << r.previous.count() << " at " << r.now.count();
    }
    // More than 2^32 periods, where tokio-core gave up.
    EXPECT_EQ(next_tick(missed_tick_behavior::skip, at(1ns), at(25s), 2ns), at(25s + 1ns));
}

TEST(Interval, P034_NextTickByBehavior) {
    using enum missed_tick_behavior;
    // On time, or as late as a loop is: all agree.
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
    // A period shorter than that lateness.
    EXPECT_EQ(next_tick(delay, at(0ms), at(2ms), 1ms), at(3ms));
    EXPECT_EQ(next_tick(skip, at(0ms), at(2500us), 1ms), at(3ms));
}

TEST(Interval, R052_NextTickSaturates) {
    for (const auto behavior : {missed_tick_behavior::burst, missed_tick_behavior::delay, missed_tick_behavior::skip}) {
        EXPECT_EQ(next_tick(behavior, at(0ms), at(1s), eddy::time::duration::max()), time_point::max());
    }
    time_loop loop;
    auto ticks = eddy::time::interval_at(clock::now() + 24h * 365 * 200, std::chrono::hours::max());
    by_hand tick(ticks.tick());
    assert_pending(tick.poll());
}

/// Ticks at 0; then is busy until `busy`; then takes all ticks until 400 ms. When they came, and what they said.
struct taken {
    std::vector<std::int64_t> at, due;
};
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

TEST(Interval, P034_BurstCatchesUp) {
    const taken ticks = busy_interval(missed_tick_behavior::burst, 200ms);
    EXPECT_EQ(ticks.at, (numbers{200, 200, 200, 200, 250, 300, 350, 400}));
    EXPECT_EQ(ticks.due, (numbers{50, 100, 150, 200, 250, 300, 350, 400}));
}

TEST(Interval, P034_DelayStartsTheScheduleAnew) {
    const taken ticks = busy_interval(missed_tick_behavior::delay, 220ms);
    EXPECT_EQ(ticks.at, (numbers{220, 270, 320, 370, 420}));
    EXPECT_EQ(ticks.due, (numbers{50, 270, 320, 370, 420}));
}

TEST(Interval, P034_SkipLeavesMissedTicksOut) {
    const taken ticks = busy_interval(missed_tick_behavior::skip, 75ms);
    EXPECT_EQ(ticks.at, (numbers{75, 100, 150, 200, 250, 300, 350, 400}));
    EXPECT_EQ(busy_interval(missed_tick_behavior::skip, 220ms).at, (numbers{220, 250, 300, 350, 400}));
}

TEST(Interval, R057_AReadyTickRegistersNothingAndMissedOnesDoNotPileUpWakes) {
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

TEST(Interval, P034_ADroppedTickIsNotLost) {
    time_loop loop;
    const auto start = clock::now();
    auto every = interval(10ms);
    assert_ready(by_hand(every.tick()).poll());
    assert_pending(by_hand(every.tick()).poll());
    loop.advance(10ms);
    EXPECT_EQ(assert_ready(by_hand(every.tick()).poll()), start + 10ms);
}

TEST(Interval, P034_IsAStream) {
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

TEST(Interval, P034_ResetsMoveTheNextTick) {
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

TEST(Interval, P034_APeriodOfZeroIsMisuse) {
    const std::string text = text_of_misuse([] { static_cast<void>(interval(0ms)); });
    EXPECT_NE(text.find("a period above zero"), std::string::npos) << text;
    EXPECT_NE(text.find("time_test.cpp"), std::string::npos) << text;
    EXPECT_THROW(static_cast<void>(eddy::time::interval_at(clock::now(), -1s)), eddy::misuse);
}

// ---- Timeout ----

/// A future for the tests: ready when told, counts its polls, and knows when it dies.
struct probe {
    bool is_ready = false;
    bool cancel_is_ready = true;
    bool uses_up_budget = false;
    int polls = 0;
    int cancels = 0;
    bool is_alive = false;
};

template <bool Cancellable>
class probed {
public:
    using output_type = int;

    explicit probed(probe& p) : probe_(&p) { p.is_alive = true; }
    probed(probed&& other) noexcept : probe_(std::exchange(other.probe_, nullptr)) {}
    probed& operator=(probed&&) = delete;
    ~probed() {
        if (probe_ != nullptr) probe_->is_alive = false;
    }

    eddy::poll_result<int> poll(eddy::context& cx) {
        ++probe_->polls;
        while (probe_->uses_up_budget && cx.consume_budget()) {
        }
        if (probe_->is_ready) return 7;
        return eddy::not_ready;
    }
    eddy::poll_result<void> poll_cancel(eddy::context&)
        requires Cancellable
    {
        ++probe_->cancels;
        if (probe_->cancel_is_ready) return eddy::poll_result<void>::ready();
        return eddy::not_ready;
    }

private:
    probe* probe_;
};

TEST(Timeout, P035_GivesTheValueIfItComesInTime) {
    time_loop loop;
    probe inner;
    by_hand work(timeout(10ms, probed<false>(inner)));
    assert_pending(work.poll());
    loop.advance(9ms);
    inner.is_ready = true;
    const auto outcome = assert_ready(work.poll());
    EXPECT_EQ(outcome, 7);
    EXPECT_FALSE(inner.is_alive);
    EXPECT_EQ(work.wakers(), 0u);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

TEST(Timeout, P035_GivesElapsedAndHasDestroyedTheWorkByThen) {
    time_loop loop;
    probe inner;
    by_hand work(eddy::time::timeout_at(clock::now() + 10ms, probed<false>(inner)));
    assert_pending(work.poll());
    EXPECT_EQ(loop.advance(10ms), 1u);
    const auto outcome = assert_ready(work.poll());
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().to_error_code(), std::errc::timed_out);
    EXPECT_EQ(outcome.error().message(), "deadline has elapsed");
    EXPECT_FALSE(inner.is_alive) << "though the timeout is still there";
    EXPECT_NE(text_of_misuse([&] { static_cast<void>(work.poll()); }).find("after it had ended"), std::string::npos);
}

TEST(Timeout, P035_TakesVoidAndLentFuturesAndNoLvalues) {
    time_loop loop;
    static_assert(
        std::is_same_v<eddy::output_t<decltype(timeout(1s, sleep(1s)))>, std::expected<void, eddy::time::elapsed>>);
    by_hand inside(timeout(2ms, sleep(1ms))), outside(timeout(1ms, sleep(2ms)));
    assert_pending(inside.poll());
    assert_pending(outside.poll());
    loop.advance(1ms);
    EXPECT_TRUE(assert_ready(inside.poll()).has_value());
    EXPECT_FALSE(assert_ready(outside.poll()).has_value());

    auto lent = sleep(10ms);
    {
        by_hand work(timeout(1ms, std::ref(lent)));
        assert_pending(work.poll());
        loop.advance(1ms);
        EXPECT_FALSE(assert_ready(work.poll()).has_value());
    }
    EXPECT_EQ(loop.advance(9ms), 1u);
    EXPECT_TRUE(lent.is_elapsed());
}

TEST(Timeout, P035_ZeroGivesTheWorkOnePoll) {
    time_loop loop(time_loop::clock::running);
    probe in_time{.is_ready = true}, late;
    EXPECT_EQ(assert_ready(by_hand(timeout(0s, probed<false>(in_time))).poll()), 7);
    EXPECT_FALSE(assert_ready(by_hand(timeout(0s, probed<false>(late))).poll()).has_value());
    EXPECT_EQ(late.polls, 1);
}

TEST(Timeout, R052_TheLongestDurationIsNoLimit) {
    time_loop loop;
    probe inner;
    by_hand work(timeout(std::chrono::hours::max(), probed<false>(inner)));
    assert_pending(work.poll());
    EXPECT_FALSE(loop.driver().auto_advance());
    inner.is_ready = true;
    EXPECT_TRUE(assert_ready(work.poll()).has_value());
}

TEST(Timeout, R062_TheValueCountsIfBothAreReady) {
    for (int round = 0; round < 1000; ++round) {
        time_loop loop;
        by_hand work(timeout(5ms, sleep(5ms)));
        assert_pending(work.poll());
        EXPECT_EQ(loop.advance(5ms), 2u);
        ASSERT_TRUE(assert_ready(work.poll()).has_value());
    }
}

TEST(Timeout, R045_ComesAlthoughTheWorkUsesUpTheBudgetInEachPoll) {
    time_loop loop;
    probe inner{.uses_up_budget = true};
    by_hand work(timeout(10ms, probed<false>(inner)));
    assert_pending(work.poll());
    loop.advance(10ms);
    EXPECT_FALSE(assert_ready(work.poll()).has_value());
}

TEST(Timeout, P035_EndsWorkThatAwaitsItsCancellationInOrder) {
    time_loop loop;
    probe inner{.cancel_is_ready = false};
    by_hand work(timeout(10ms, probed<true>(inner)));
    assert_pending(work.poll());
    loop.advance(10ms);
    assert_pending(work.poll());
    assert_pending(work.poll());
    EXPECT_EQ(inner.polls, 2) << "once it is being cancelled it is not polled";
    EXPECT_EQ(inner.cancels, 2);
    inner.cancel_is_ready = true;
    EXPECT_FALSE(assert_ready(work.poll()).has_value());
    EXPECT_FALSE(inner.is_alive);
}

TEST(Timeout, P035_PassesItsOwnCancellationOn) {
    time_loop loop;
    static_assert(eddy::cancellable_future<eddy::time::timeout_future<probed<true>>>);
    static_assert(!eddy::cancellable_future<eddy::time::timeout_future<probed<false>>>);
    probe inner{.cancel_is_ready = false};
    by_hand work(timeout(10ms, probed<true>(inner)));
    assert_pending(work.poll());
    assert_pending(work.poll_cancel());
    inner.cancel_is_ready = true;
    EXPECT_TRUE(work.poll_cancel().is_ready());
    EXPECT_FALSE(inner.is_alive);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

TEST(Timeout, P035_AnExceptionOfTheWorkEndsIt) {
    time_loop loop;
    by_hand work(timeout(10ms, [](std::shared_ptr<int>) -> eddy::task<int> {
        throw std::runtime_error("from inside");
        co_return 1;
    }(nullptr)));
    EXPECT_THROW(static_cast<void>(work.poll()), std::runtime_error);
    EXPECT_THROW(static_cast<void>(work.poll()), eddy::misuse);
}

TEST(Timeout, P035_UnderTryElapsedBecomesTimedOut) {
    time_loop loop;
    const auto body = []() -> eddy::task<eddy::result<int>> {
        co_await eddy::try_(timeout(1ms, sleep(1s)));
        co_return 1;
    };
    by_hand work(body());
    assert_pending(work.poll());
    loop.advance(1ms);
    const auto outcome = assert_ready(work.poll());
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error(), eddy::errc::timed_out);
}

struct marked {
    using output_type = int;
    static constexpr bool took_closure = true;
    eddy::poll_result<int> poll(eddy::context&) { return 1; }
};

TEST(Timeout, P035_PassesTheMarkOfAClosureOn) {
    static_assert(eddy::time::timeout_future<marked>::took_closure);
    static_assert(!eddy::time::timeout_future<probed<true>>::took_closure);
}

}  // namespace
