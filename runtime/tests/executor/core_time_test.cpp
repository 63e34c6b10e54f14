// SPDX-License-Identifier: MIT
// Timers on an event loop: with the real clock, and with a paused clock that advances when the loop is idle.
// covers: S51
#include <eddy/runtime/core.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/async_fd.hpp>
#ifndef EDDY_NO_THREADS
#include <eddy/runtime/runtime.hpp>
#endif
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/advance.hpp>
#include <eddy/time/interval.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/gate.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::sync::oneshot;
using eddy::time::clock;
using eddy::time::sleep;

eddy::core paused_loop() { return eddy::core::builder().start_paused(true).build().value(); }

// ---- Paused clock ----

TEST(CoreTime, PausedClockAdvancesWhenTheLoopIsIdle) {
    for (const bool with_io : {true, false}) {
        auto loop = eddy::core::builder().enable_io(with_io).start_paused(true).build().value();
        const auto real = std::chrono::steady_clock::now();
        const auto main = []() -> eddy::task<clock::duration> {
            const auto before = clock::now();
            co_await sleep(24h);
            co_return clock::now() - before;
        };
        EXPECT_EQ(loop.run(main()), 24h);
        EXPECT_LT(std::chrono::steady_clock::now() - real, 10s);
    }
}

// covers: R059
TEST(CoreTime, PausedClockDoesNotAdvanceWhileTasksAreQueued) {
    auto loop = paused_loop();
    const auto main = []() -> eddy::task<void> {
        bool has_slept = false;
        const auto naps = [&]() -> eddy::task<void> {
            co_await sleep(1ms);
            has_slept = true;
        };
        eddy::core_handle::current().spawn(naps());
        const auto before = clock::now();
        for (int i = 0; i < 1000; ++i) co_await eddy::yield_now();
        EXPECT_EQ(clock::now(), before);
        EXPECT_FALSE(has_slept);
        co_await sleep(2ms);
        EXPECT_TRUE(has_slept);
    };
    loop.run(main());
}

// covers: R059
TEST(CoreTime, PausedClockDoesNotAdvanceWhileAnEventIsPending) {
    auto loop = paused_loop();
    const support::counter events;
    events.add();
    const auto main = [&]() -> eddy::task<void> {
        const auto before = clock::now();
        const eddy::io::async_fd<eddy::io::source_fd> fd(eddy::io::source_fd(events.native_handle()),
                                                         eddy::io::interest::readable);
        auto nap = sleep(1h);
        co_await eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            static_cast<void>(nap.poll(cx));
            return eddy::poll_result<void>::ready();
        });
        static_cast<void>(co_await fd.registration().readiness(eddy::io::interest::readable));
        EXPECT_EQ(clock::now(), before);
    };
    loop.run(main());
}

// covers: R059
TEST(CoreTime, PausedClockIsDeterministic) {
    // A clock that advanced while a task is queued would begin a later nap too late.
    const std::vector<clock::duration> expected{300us,  600us,  700us,  900us,  1ms,    1200us, 1400us, 1500us,
                                                2000us, 2100us, 2800us, 3000us, 3500us, 4ms,    5ms};
    for (int round = 0; round < 100; ++round) {
        auto loop = paused_loop();
        std::vector<clock::duration> seen;
        const auto main = [&]() -> eddy::task<void> {
            const auto began = clock::now();
            const auto naps = [&](int times, clock::duration each) -> eddy::task<void> {
                for (int i = 0; i < times; ++i) {
                    co_await sleep(each);
                    seen.push_back(clock::now() - began);
                }
            };
            eddy::core_handle::current().spawn(naps(5, 300us));
            eddy::core_handle::current().spawn(naps(5, 700us));
            co_await naps(5, 1ms);
        };
        loop.run(main());
        EXPECT_EQ(seen, expected);
    }
}

TEST(CoreTime, AdvanceFiresOnlyDueTimers) {
    auto loop = paused_loop();
    const auto main = []() -> eddy::task<void> {
        std::vector<int> seen;
        const auto naps = [&](int ms) -> eddy::task<void> {
            co_await sleep(std::chrono::milliseconds(ms));
            seen.push_back(ms);
        };
        for (const int ms : {30, 10, 20}) eddy::core_handle::current().spawn(naps(ms));
        co_await eddy::yield_now();
        co_await eddy::test::advance(20ms);
        EXPECT_EQ(seen, (std::vector{10, 20}));
        co_await eddy::test::advance(10ms);
        EXPECT_EQ(seen, (std::vector{10, 20, 30}));
    };
    loop.run(main());
}

TEST(CoreTime, TurnWithoutWaitingDoesNotAdvanceAPausedClock) {
    auto loop = paused_loop();
    bool has_slept = false;
    const auto naps = [&]() -> eddy::task<void> {
        co_await sleep(1ms);
        has_slept = true;
    };
    loop.handle().spawn(naps());
    for (int i = 0; i < 10; ++i) loop.turn(0ms);
    EXPECT_FALSE(has_slept);
    loop.turn();
    loop.turn(0ms);
    EXPECT_TRUE(has_slept);
}

// ---- Paused clock and blocking work ----

/// Returns two event loops with a paused clock: one with I/O and one without.
std::vector<eddy::core> paused_loops() {
    std::vector<eddy::core> loops;
    for (const bool with_io : {true, false}) {
        loops.push_back(eddy::core::builder().enable_io(with_io).start_paused(true).build().value());
    }
    return loops;
}

// covers: R059 I20.4.1
TEST(CoreTime, PausedClockDoesNotAdvanceDuringBlockingWork) {
    for (auto& loop : paused_loops()) {
        const auto main = []() -> eddy::task<void> {
            for (std::uint64_t left = support::rounds(10'000); left > 0; --left) {
                const auto before = clock::now();
                const auto got = co_await eddy::time::timeout(1ms, eddy::spawn_blocking([] { return 1; }));
                EXPECT_TRUE(got.has_value());
                EXPECT_EQ(clock::now(), before);
            }
            const auto before = clock::now();
            co_await sleep(1h);
            EXPECT_EQ(clock::now() - before, 1h) << "the clock advances again after blocking work";
        };
        loop.run(main());
    }
}

// covers: I20.4.1
TEST(CoreTime, PausedClockWaitsForLongBlockingWork) {
    for (auto& loop : paused_loops()) {
        const pid_t loop_thread = ::gettid();
        bool is_over = false;
        const auto main = [&]() -> eddy::task<void> {
            auto work = eddy::spawn_blocking([loop_thread] { support::wait_until_asleep(loop_thread); });
            auto other = eddy::spawn_blocking([loop_thread] { support::wait_until_asleep(loop_thread); });
            const auto got = co_await eddy::time::timeout(1ms, eddy::join(std::move(work), std::move(other)));
            is_over = got.has_value();
        };
        loop.run(main());
        EXPECT_TRUE(is_over);
    }
}

TEST(CoreTime, PausedLoopWithoutTimersSleepsUntilItIsWoken) {
    for (auto& loop : paused_loops()) {
        const pid_t loop_thread = ::gettid();
        auto [tx, rx] = oneshot<int>::channel();
        std::thread other([&, sender_end = std::move(tx)]() mutable {
            support::wait_until_asleep(loop_thread);
            static_cast<void>(sender_end.send(7));
        });
        EXPECT_EQ(loop.run(rx), 7);
        other.join();
    }
}

// covers: R059 I20.4.1
TEST(CoreTime, PausedClockWaitsForDetachedBlockingWork) {
    for (auto& loop : paused_loops()) {
        const pid_t loop_thread = ::gettid();
        std::atomic<bool> has_ended = false;
        const auto main = [&]() -> eddy::task<void> {
            eddy::spawn_blocking([&, loop_thread] {
                support::wait_until_asleep(loop_thread);
                has_ended = true;
            }).detach();
            co_await sleep(1h);
            EXPECT_TRUE(has_ended) << "the sleep ended before the work";
        };
        loop.run(main());
    }
}

TEST(CoreTime, PausedClockWaitsForEventOfBlockingWork) {
    auto loop = paused_loop();
    const support::counter events;
    const auto main = [&]() -> eddy::task<void> {
        const eddy::io::async_fd<eddy::io::source_fd> fd(eddy::io::source_fd(events.native_handle()),
                                                         eddy::io::interest::readable);
        for (std::uint64_t left = support::rounds(10'000); left > 0; --left) {
            eddy::spawn_blocking([&] { events.add(); }).detach();
            const auto got =
                co_await eddy::time::timeout(1ms, fd.registration().readiness(eddy::io::interest::readable));
            EXPECT_TRUE(got.has_value());
            if (!got) co_return;
            static_cast<void>(events.take());
            fd.registration().clear_readiness(got->value());
        }
    };
    loop.run(main());
}

TEST(CoreTime, TurnEndsAtItsLimitDuringBlockingWork) {
    for (auto& loop : paused_loops()) {
        support::gate over;
        bool has_slept = false;
        const auto naps = [&]() -> eddy::task<void> {
            eddy::spawn_blocking([&over] { EXPECT_TRUE(over.wait()); }).detach();
            co_await sleep(1ms);
            has_slept = true;
        };
        loop.handle().spawn(naps());
        for (int i = 0; i < 3; ++i) loop.turn(2ms);
        EXPECT_FALSE(has_slept);
        over.open();
        loop.run_until_idle();
        EXPECT_TRUE(has_slept);
    }
}

TEST(CoreTime, AdvanceWorksDuringBlockingWork) {
    auto loop = paused_loop();
    support::gate over;
    const auto main = [&]() -> eddy::task<void> {
        auto work = eddy::spawn_blocking([&over] { EXPECT_TRUE(over.wait()); });
        auto nap = sleep(1h);
        co_await eddy::test::advance(1h);
        co_await nap;
        over.open();
        EXPECT_TRUE((co_await work).has_value());
    };
    loop.run(main());
}

// ---- Real time ----

// covers: R051
TEST(CoreTime, EarlierResetOnAnotherThreadUnparksTheLoop) {
    for (const bool with_io : {true, false}) {
        auto loop = eddy::core::builder().enable_io(with_io).build().value();
        const pid_t loop_thread = ::gettid();
        std::mutex lock;
        auto nap = sleep(20s);  // NOLINT: shared with the other thread, under the lock
        const auto real = std::chrono::steady_clock::now();
        std::thread other([&] {
            support::wait_until_asleep(loop_thread);
            const std::lock_guard guard(lock);
            nap.reset(eddy::time::deadline_after(1ms));
        });
        loop.run(eddy::poll_fn([&](eddy::context& cx) {
            const std::lock_guard guard(lock);
            return nap.poll(cx);
        }));
        EXPECT_LT(std::chrono::steady_clock::now() - real, 10s);
        other.join();
    }
}

// covers: R051
TEST(CoreTime, WorkFromAnotherThreadMayArmAnEarlierTimer) {
    eddy::core loop;
    const pid_t loop_thread = ::gettid();
    auto [tx, rx] = oneshot<void>::channel();
    const auto naps_long = []() -> eddy::task<void> { co_await sleep(1h); };
    loop.handle().spawn(naps_long());
    std::thread other([&, sender_end = std::move(tx), remote = loop.remote()]() mutable {
        support::wait_until_asleep(loop_thread);
        remote.spawn([mine = std::move(sender_end)]() mutable -> eddy::task<void> {
            co_await sleep(1ms);
            static_cast<void>(mine.send());
        });
    });
    const auto real = std::chrono::steady_clock::now();
    static_cast<void>(loop.run(rx));
    EXPECT_LT(std::chrono::steady_clock::now() - real, 10s);
    other.join();
}

// covers: R054
TEST(CoreTime, ZeroSleepsDoNotStarveOtherTasks) {
    eddy::core loop;
    const support::counter events;
    bool is_over = false;
    std::uint64_t naps = 0;
    const auto spins = [&]() -> eddy::task<void> {
        while (!is_over) {
            co_await sleep(0s);
            ++naps;
        }
    };
    const auto main = [&]() -> eddy::task<void> {
        const eddy::io::async_fd<eddy::io::source_fd> fd(eddy::io::source_fd(events.native_handle()),
                                                         eddy::io::interest::readable);
        for (int i = 0; i < 10; ++i) {
            eddy::core_handle::current().spawn([&] { events.add(); });
            const auto seen = (co_await fd.registration().readiness(eddy::io::interest::readable)).value();
            static_cast<void>(events.take());
            fd.registration().clear_readiness(seen);
            co_await sleep(1ms);
        }
        is_over = true;
    };
    loop.handle().spawn(spins());
    loop.run(main());
    EXPECT_GT(naps, 0u);
    loop.run_until_idle();
}

// covers: R060
TEST(CoreTimeStress, SleepsNeverEndEarlyAndNeedFewPolls) {
    eddy::core loop;
    const auto sleeps = support::rounds(1000 * 50) / 10;
    std::mt19937_64 random(support::seed());
    std::uint64_t early = 0;
    std::uint64_t ended = 0;
    const auto naps = [&](std::chrono::microseconds time) -> eddy::task<void> {
        const auto due = std::chrono::steady_clock::now() + time;
        co_await sleep(time);
        if (std::chrono::steady_clock::now() < due) ++early;
        ++ended;
    };
    for (std::uint64_t i = 0; i < sleeps; ++i) {
        loop.handle().spawn([&naps, time = std::chrono::microseconds(1000 + random() % 4000)] { return naps(time); });
    }
    loop.run_until_idle();
    EXPECT_EQ(early, 0u);
    EXPECT_EQ(ended, sleeps);
    EXPECT_LE(loop.metrics().polls(), sleeps * 3);
}

// covers: S78
TEST(CoreTimeStress, ManyTimersAllFireAndNeverEarly) {
    eddy::core loop;
    const auto timers = support::rounds(100'000);
    std::mt19937_64 random(support::seed());
    std::uint64_t early = 0;
    std::uint64_t ended = 0;
    const auto until = [&](clock::time_point due) -> eddy::task<void> {
        co_await eddy::time::sleep_until(due);
        if (clock::now() < due) ++early;
        ++ended;
    };
    for (std::uint64_t i = 0; i < timers; ++i) {
        const auto due = clock::now() + std::chrono::microseconds(random() % 200'000);
        loop.handle().spawn(until(due));
    }
    loop.run_until_idle();
    EXPECT_EQ(early, 0u);
    EXPECT_EQ(ended, timers);
}

// covers: R051
TEST(CoreTimeStress, ResetOnAnotherThreadIsNotLost) {
    // A round whose reset is lost ends after 20 s, when the first deadline has passed.
    for (const bool with_io : {true, false}) {
        support::handover_rounds rounds(10'000);
        auto loop = eddy::core::builder().enable_io(with_io).build().value();
        std::mutex lock;
        std::optional<eddy::time::sleep_future> nap;
        std::uint64_t round = 0;
        bool is_over = false;
        std::thread other([&] {
            for (std::uint64_t mine = 1;; std::this_thread::yield()) {
                const std::lock_guard guard(lock);
                if (is_over) return;
                if (round != mine) continue;
                nap->reset(clock::now());
                ++mine;
            }
        });
        std::uint64_t lost = 0;
        const auto main = [&]() -> eddy::task<void> {
            while (rounds.next()) {
                const auto first_deadline = clock::now() + 20s;
                {
                    const std::lock_guard guard(lock);
                    nap.emplace(first_deadline);
                    ++round;
                }
                co_await eddy::poll_fn([&](eddy::context& cx) {
                    const std::lock_guard guard(lock);
                    return nap->poll(cx);
                });
                if (clock::now() >= first_deadline) ++lost;
            }
        };
        loop.run(main());
        {
            const std::lock_guard guard(lock);
            is_over = true;
        }
        other.join();
        EXPECT_EQ(lost, 0u);
    }
}

// ---- Extreme times ----

TEST(CoreTime, SleepResetToThePastEndsImmediately) {
    eddy::core loop;
    eddy::time::sleep_future nap = eddy::time::sleep(1h);
    bool ended = false;
    auto sleeps = [](eddy::time::sleep_future& of, bool& done) -> eddy::task<void> {
        co_await of;
        done = true;
    };
    loop.handle().spawn(sleeps(nap, ended));
    loop.turn(0ns);
    nap.reset(eddy::time::time_point::min());
    const auto before = std::chrono::steady_clock::now();
    loop.turn(5s);
    EXPECT_LT(std::chrono::steady_clock::now() - before, 4s) << "turn() waited for its full limit";
    loop.turn(0ns);
    EXPECT_TRUE(ended);
}

TEST(CoreTime, SleepMovesToTheCoreThatPollsIt) {
    eddy::core former;
    eddy::core loop;
    const auto begin = [&](auto& future) -> eddy::task<bool> {
        const auto event = co_await eddy::select_biased(std::ref(future), eddy::ready());
        co_return event.index() == 1;
    };
    // On a busy machine, a short sleep may elapse before the second loop polls it. The test then tries a longer sleep.
    for (auto delay = 2ms; delay < 1min; delay *= 4) {
        auto nap = sleep(delay);
        auto every = eddy::time::interval_at(clock::now() + delay, 1h);
        auto tick = every.tick();
        const bool nap_waits = former.run(begin(nap));
        const bool tick_waits = former.run(begin(tick));
        if (!nap_waits || !tick_waits) continue;
        loop.run(nap);
        loop.run(tick);
        EXPECT_GE(clock::now(), nap.deadline());
        return;
    }
    FAIL() << "no sleep lasted until it had moved";
}

#ifndef EDDY_NO_THREADS
TEST(CoreTime, SleepMovesToTheRuntimeThatPollsIt) {
    eddy::core former;
    eddy::runtime pool;
    const auto begin = [](auto& future) -> eddy::task<bool> {
        const auto event = co_await eddy::select_biased(std::ref(future), eddy::ready());
        co_return event.index() == 1;
    };
    auto nap = sleep(1h);
    auto limited = eddy::time::timeout(1h, eddy::pending<void>());
    const auto moves = [&](auto& future, bool to_worker) {
        EXPECT_TRUE(former.run(begin(future)));
        EXPECT_NE(former.next_deadline(), std::nullopt);
        EXPECT_TRUE(to_worker ? pool.block_on(pool.spawn(begin(future))).value() : pool.block_on(begin(future)));
        EXPECT_EQ(former.next_deadline(), std::nullopt) << "the timer stayed in a loop that may not run again";
    };
    for (const bool to_worker : {true, false}) {
        moves(nap, to_worker);
        moves(limited, to_worker);
    }
}
#endif

TEST(CoreTime, ExtremeDurationsNeitherOverflowNorHang) {
    using eddy::time::duration;
    using eddy::time::time_point;
    eddy::core loop;
    auto all = []() -> eddy::task<void> {
        co_await eddy::time::sleep(duration::min());
        co_await eddy::time::sleep(std::chrono::hours::min());
        co_await eddy::time::sleep_until(time_point::min());
        for (auto d : {duration::max(), duration::max() - 1ns, duration(1h * 24 * 365 * 100)}) {
            static_cast<void>(co_await eddy::time::timeout(100us, eddy::time::sleep(d)));
            static_cast<void>(co_await eddy::time::timeout(d, eddy::time::sleep(10us)));
        }
        static_cast<void>(co_await eddy::time::timeout(100us, eddy::time::sleep_until(time_point::max() - 1ns)));
        static_cast<void>(co_await eddy::time::timeout(duration::min(), eddy::pending()));
        auto every = eddy::time::interval(duration::max());
        co_await every.tick();
        static_cast<void>(co_await eddy::time::timeout(100us, every.tick()));
    };
    loop.run(all());
    loop.turn(std::chrono::nanoseconds::min());
    bool has_run = false;
    std::thread alarm(
        [remote = loop.remote(), &has_run] { static_cast<void>(remote.spawn([&has_run] { has_run = true; })); });
    loop.turn(std::chrono::nanoseconds::max());
    alarm.join();
    EXPECT_TRUE(has_run);
}

}  // namespace
