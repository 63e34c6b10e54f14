// SPDX-License-Identifier: MIT
// Sleeps on a time driver without an event loop, polled by hand.
// runs: asan
#include <eddy/test/advance.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <source_location>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/polling.hpp"
#include "support/stress.hpp"
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

// covers: P033
TEST(Sleep, IsReadyAtTheDeadlineAndWokenOnce) {
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

// covers: P033
TEST(Sleep, DurationStartsAtTheCall) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    loop.advance(10ms);
    assert_ready(nap.poll());
}

// covers: P033
TEST(Sleep, PastDeadlinesAreReadyWithoutATimer) {
    time_loop loop(time_loop::clock::running);
    assert_ready(by_hand(sleep(0s)).poll());
    assert_ready(by_hand(sleep(-5s)).poll());
    assert_ready(by_hand(sleep_until(clock::now())).poll());
    assert_ready(by_hand(sleep_until(time_point::min())).poll());
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

// covers: P033
TEST(Sleep, ArmsNoTimerBeforeTheFirstPoll) {
    time_loop loop;
    const auto nap = sleep(1ms);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
    EXPECT_FALSE(nap.is_elapsed());
    loop.advance(1ms);
    EXPECT_TRUE(nap.is_elapsed());
}

// covers: P033
TEST(Sleep, DropRemovesTheTimerAndTheWaker) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    EXPECT_EQ(nap.wakers(), 1u);
    nap.drop();
    EXPECT_EQ(nap.wakers(), 0u);
    EXPECT_EQ(loop.driver().next_deadline(), std::nullopt);
}

// covers: P033
TEST(Sleep, YieldsWithoutCoopBudget) {
    time_loop loop;
    by_hand nap(sleep(0s));
    assert_pending(nap.poll(0));
    EXPECT_EQ(nap.wakes(), 1u);
    assert_ready(nap.poll(1));
}

// covers: P033
TEST(Sleep, WaitingConsumesNoCoopBudget) {
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

// covers: P033
TEST(Sleep, ResetMovesTheDeadlineOfAPendingSleep) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    const auto later = clock::now() + 30ms;
    nap.future().reset(later);  // not polled again before it fires
    EXPECT_EQ(nap.future().deadline(), later);
    EXPECT_EQ(loop.advance(29ms), 0u);
    EXPECT_EQ(loop.advance(1ms), 1u);
    EXPECT_EQ(nap.wakes(), 1u);
    assert_ready(nap.poll());
}

// covers: P033
TEST(Sleep, ResetToAnEarlierOrPastDeadlineWakes) {
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

// covers: P033
TEST(Sleep, ResetRestartsAnElapsedSleep) {
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

// covers: P033
TEST(Sleep, ResetMovesTheTimerToTheCurrentLoop) {
    time_loop first;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    time_loop second;
    nap.future().reset(clock::now() + 5ms);
    EXPECT_EQ(first.driver().next_deadline(), std::nullopt);
    EXPECT_EQ(second.advance(5ms), 1u);
    assert_ready(nap.poll());
}

TEST(Sleep, PollWithoutALoopThrowsWithTheCallSite) {
    const auto line = std::source_location::current().line() + 1;
    by_hand nap(sleep(10ms));
    const std::string text = text_of_misuse([&] { static_cast<void>(nap.poll()); });
    EXPECT_NE(text.find("a sleep needs an event loop on this thread"), std::string::npos) << text;
    EXPECT_NE(text.find("time_sleep_test.cpp:" + std::to_string(line)), std::string::npos) << text;
}

TEST(Sleep, StaysInTheFirstWheelWhenPolledOnAnotherLoop) {
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

TEST(Sleep, ContinuesInAnotherLoopAfterTheFirstEnds) {
    std::optional<time_loop> first(std::in_place);
    by_hand nap(sleep(1h));
    by_hand endless(sleep_until(time_point::max()));
    assert_pending(nap.poll());
    assert_pending(endless.poll());
    first.reset();
    EXPECT_EQ(nap.wakes(), 1u);
    EXPECT_EQ(endless.wakes(), 1u);
    EXPECT_THROW(static_cast<void>(nap.poll()), eddy::misuse);
    time_loop second;
    assert_pending(nap.poll());
    second.advance(1h);
    EXPECT_EQ(nap.wakes(), 2u);
    assert_ready(nap.poll());
}

TEST(Sleep, PollAfterTheShutdownOfTheLoopThrows) {
    time_loop loop;
    by_hand nap(sleep(10ms));
    assert_pending(nap.poll());
    loop.driver().shutdown();
    EXPECT_EQ(nap.wakes(), 1u);
    const std::string text = text_of_misuse([&] { static_cast<void>(nap.poll()); });
    EXPECT_NE(text.find("event loop that has shut down"), std::string::npos) << text;
    EXPECT_EQ(nap.wakers(), 0u);
}

// covers: R049
TEST(Sleep, WakerMayDropAnotherSleepOfTheSameTick) {
    // 40 timers: some are in the batch that is being woken, and the others are still in the list behind it.
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

// covers: R051
TEST(Sleep, EarlierDeadlineUnparksTheLoop) {
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

TEST(Sleep, DeadlineAtATickIsNotRoundedUp) {
    constexpr auto tick = eddy::detail::time_driver::tick;
    time_loop loop;
    by_hand later(sleep(20 * tick));
    assert_pending(later.poll());
    const auto at_a_tick = *loop.driver().next_deadline() - tick;
    by_hand earlier(sleep_until(at_a_tick));
    assert_pending(earlier.poll());
    EXPECT_EQ(*loop.driver().next_deadline(), at_a_tick);
}

// covers: R052
TEST(Sleep, HugeDurationsSaturateAndNeverEnd) {
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

// covers: R052
TEST(Sleep, ResetToNeverAndBackKeepsTheWaker) {
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

// covers: R052
TEST(Sleep, HugeNegativeDurationsArePast) {
    time_loop loop;
    assert_ready(by_hand(sleep(std::chrono::nanoseconds::min())).poll());
    assert_ready(by_hand(sleep(std::chrono::hours::min())).poll());
    assert_ready(by_hand(sleep(std::chrono::duration<double>(-1e300))).poll());
}

// covers: P037
TEST(Sleep, DurationsAreRoundedUpToNanoseconds) {
    using picoseconds = std::chrono::duration<std::int64_t, std::pico>;
    static_assert(eddy::time::round_up(picoseconds(1)) == 1ns);
    static_assert(eddy::time::round_up(picoseconds(-1)) == 0ns);
    static_assert(eddy::time::round_up(3ms) == 3'000'000ns);
    static_assert(eddy::time::round_up(std::chrono::duration<double>(0.25)) == 250ms);
    static_assert(eddy::time::saturating_add(time_point::max() - 1ns, 2ns) == time_point::max());
    static_assert(eddy::time::saturating_add(time_point::min() + 1ns, -2ns) == time_point::min());
    EXPECT_EQ(eddy::time::deadline_after(std::chrono::hours::max()), time_point::max());
}

// covers: R054
TEST(Sleep, TimersRearmedDuringFireWaitForTheNextFire) {
    time_loop loop;
    std::array<eddy::detail::timer_entry, 40> timers;  // more than one batch: some fire after others are rearmed
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

// After many timers, the event loop waits a little, so that the next ones fire together.
TEST(Sleep, NextDeadlineIsLaterAfterManyTimersHaveFired) {
    for (const std::size_t count : {1u, 3u, 4u, 40u}) {
        SCOPED_TRACE(count);
        time_loop loop(time_loop::clock::running);
        auto& driver = loop.driver();
        std::deque<eddy::detail::timer_entry> timers(count);
        eddy::detail::timer_entry last;
        const auto now = driver.now();
        const auto fired_at = now + driver.tick;
        for (auto& timer : timers) driver.arm(timer, now, {});
        driver.arm(last, now + 2 * driver.tick, {});
        EXPECT_EQ(driver.fire(fired_at), count);
        const auto next = driver.next_deadline();
        ASSERT_TRUE(next.has_value());
        if (count < 4) {
            EXPECT_LE(*next, now + 3 * driver.tick);
        } else {
            EXPECT_EQ(*next, fired_at + 400us);
        }
        EXPECT_EQ(driver.fire(*next), 1u);
    }
}

// covers: R055
TEST(Sleep, ShutdownInsideFireReleasesTheOtherTimers) {
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

// covers: R056 R069
TEST(Sleep, WakerOfTheLastPollIsWoken) {
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

// covers: R068
TEST(Sleep, WakersMayReenterTheTimeDriver) {
    time_loop loop;
    int calls = 0;
    const auto lock_again = [&] {
        ++calls;
        loop.driver().pause();  // already paused: only the lock matters
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
    // Three clones, the drop of a clone that was replaced, the wakes of the two other clones, and the drops of the four
    // wakers that this test has created.
    EXPECT_EQ(calls, 3 + 1 + 2 + 4);
}

// covers: R068
TEST(Sleep, TimerThatFiresDuringTheCloneOfAWakerIsReady) {
    time_loop loop;
    auto nap = sleep(1ms);
    assert_pending(poll_with(nap, eddy::test::wake_counter().waker()));
    calling_waker advancing([&] { loop.advance(1ms); });
    assert_ready(poll_with(nap, advancing.waker_that_always_calls()));
}

// covers: R060
TEST(SleepStress, SleepsNeverEndEarly) {
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

using naps_under_way = std::vector<std::unique_ptr<sleep_future>>;

/// A slot through which one thread hands an object to another. put() releases, and take() acquires, so that take() sees
/// the contents of the object.
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

/// Simulates tasks that have migrated. Polls some sleeps on a thread where their event loop does not run, and drops all
/// sleeps.
void poll_and_drop(naps_under_way& naps, const eddy::waker& waker) {
    for (std::size_t i = 0; i < naps.size(); ++i) {
        try {
            if (i % 2 != 0) static_cast<void>(poll_with(*naps[i], waker));
        } catch (const eddy::misuse&) {  // the event loop of this sleep has just ended
        }
        naps[i].reset();
    }
}

// covers: R050
TEST(SleepStress, SleepsAreDroppedOnAnotherThreadWhileTheyFire) {
    const eddy::test::wake_counter arming, dropping;
    handover through;
    std::atomic<bool> over{false};  // acquire and release: only ends the loop
    std::thread dropper([&] {
        const auto waker = dropping.waker();
        while (!over.load(std::memory_order_acquire)) {
            if (const auto naps = through.take()) poll_and_drop(*naps, waker);
            std::this_thread::yield();  // the arming thread may need this processor
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

// covers: P038
TEST(SleepStress, MillionTimersFireOnce) {
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

}  // namespace
