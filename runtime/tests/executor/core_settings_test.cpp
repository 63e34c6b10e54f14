// SPDX-License-Identifier: MIT
// An event loop's hooks, histogram, seed and kinds of shutdown.
// covers: S51
// runs: asan, plain
#include <eddy/runtime/core.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/finally.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/async_fd.hpp>
#include <eddy/net/unix_stream.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_builder.hpp>
#include <eddy/time/sleep.hpp>

#include "support/executors.hpp"
#include "support/polling.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::task_id;
using support::census;

// covers: P011 I20.5.29
TEST(CoreSettings, HooksAreCalledInOrderForEachTask) {
    std::vector<std::string> seen;
    const auto note = [&seen](const char* what) {
        return [&seen, what](task_id id) { seen.push_back(what + std::to_string(id)); };
    };
    eddy::core core = eddy::core::builder()
                          .on_task_spawn(note("spawn "))
                          .on_before_task_poll(note("before "))
                          .on_after_task_poll(note("after "))
                          .on_task_terminate(note("end "))
                          .build()
                          .value();
    const task_id id = core.run([]() -> task<task_id> {
        auto child = eddy::spawn([]() -> task<> { co_await eddy::yield_now(); });
        const task_id number = child.id();
        auto ended = co_await child;
        EXPECT_TRUE(ended.has_value());
        co_return number;
    }());
    const std::string n = std::to_string(id);
    EXPECT_EQ(seen, (std::vector<std::string>{"spawn " + n, "before " + n, "after " + n, "before " + n, "after " + n,
                                              "end " + n}));
}

// covers: P011
TEST(CoreSettings, AbortedTaskTerminatesWithoutAPoll) {
    int polls = 0;
    int ends = 0;
    eddy::core core = eddy::core::builder()
                          .on_before_task_poll([&](task_id) { ++polls; })
                          .on_task_terminate([&](task_id) { ++ends; })
                          .build()
                          .value();
    core.run([]() -> task<> {
        auto child = eddy::spawn([]() -> task<> { co_await eddy::pending<void>(); });
        child.abort();
        auto ended = co_await child;
        EXPECT_TRUE(ended.error().is_cancelled());
    }());
    EXPECT_EQ(polls, 0);
    EXPECT_EQ(ends, 1);
}

// covers: P004 I20.5.29
TEST(CoreSettings, ParkHooksSurroundEachWait) {
    int parks = 0;
    int unparks = 0;
    for (const bool paused : {false, true}) {
        parks = unparks = 0;
        eddy::core core = eddy::core::builder()
                              .start_paused(paused)
                              .on_thread_park([&] { ++parks; })
                              .on_thread_unpark([&] { ++unparks; })
                              .build()
                              .value();
        core.run([]() -> task<> { co_await eddy::yield_now(); }());
        EXPECT_EQ(parks, 0) << "it never waits";
        core.run([]() -> task<> { co_await eddy::time::sleep(1ms); }());
        EXPECT_GE(parks, 1);
        EXPECT_EQ(unparks, parks);
    }
}

/// Runs a task that spawns another one and waits once.
void run_and_park(eddy::result<eddy::core> core) {
    core.value().run([]() -> task<> {
        auto child = eddy::spawn([]() -> task<> { co_await eddy::time::sleep(1ms); });
        EXPECT_TRUE((co_await child).has_value());
    }());
}

// covers: I20.5.29
TEST(CoreSettings, EachHookIsCalledWithoutTheOthers) {
    int calls = 0;
    const auto count = [&] { ++calls; };
    const auto count_task = [&](task_id) { ++calls; };
    using builder = eddy::core_builder;
    const std::vector<std::function<void(builder&)>> choices{
        [&](builder& b) { b.on_thread_park(count); },           [&](builder& b) { b.on_thread_unpark(count); },
        [&](builder& b) { b.on_task_spawn(count_task); },       [&](builder& b) { b.on_task_terminate(count_task); },
        [&](builder& b) { b.on_before_task_poll(count_task); }, [&](builder& b) { b.on_after_task_poll(count_task); },
    };
    for (const auto& choose : choices) {
        auto made = eddy::core::builder().start_paused(true);
        choose(made);
        calls = 0;
        run_and_park(made.build());
        EXPECT_GE(calls, 1) << "hook " << &choose - choices.data();
    }
}

TEST(CoreSettings, TurnCallsTheHooks) {
    int spawns = 0;
    int polls = 0;
    eddy::core core = eddy::core::builder()
                          .on_task_spawn([&](task_id) { ++spawns; })
                          .on_before_task_poll([&](task_id) { ++polls; })
                          .build()
                          .value();
    core.run([]() -> task<> {
        for (int i = 0; i < 3; ++i) eddy::spawn([]() -> task<> { co_return; }).detach();
        co_return;
    }());
    EXPECT_EQ(spawns, 3);
    core.turn(0ns);
    EXPECT_EQ(polls, 3);
}

TEST(CoreSettings, HooksAreNotCalledForChildrenOfAScope) {
    int calls = 0;
    int ended = 0;
    const auto count = [&](task_id) { ++calls; };
    eddy::core core = eddy::core::builder().on_task_spawn(count).on_before_task_poll(count).build().value();
    core.run([](int& ends) -> task<> {
        co_await eddy::scope([&ends](auto& s) -> task<> {
            for (int i = 0; i < 3; ++i) {
                s.spawn([&ends]() -> task<> {
                    co_await eddy::yield_now();
                    ++ends;
                });
            }
            co_return;
        });
    }(ended));
    EXPECT_EQ(ended, 3);
    EXPECT_EQ(calls, 0) << "they have no task_id";
}

TEST(CoreSettings, LoopWithoutIoHasZeroIoMetricsAndTimers) {
    eddy::core core = eddy::core::builder().enable_io(false).build().value();
    EXPECT_EQ(core.metrics().io().fds_registered, 0u);
    EXPECT_EQ(core.next_deadline(), std::nullopt);
    core.run([]() -> task<> {
        eddy::spawn(eddy::time::sleep(1h)).detach();
        co_await eddy::yield_now();
    }());
    EXPECT_TRUE(core.next_deadline().has_value());
}

// covers: P004
TEST(CoreSettings, TaskSpawnedInParkHookRuns) {
    for (const bool paused : {false, true}) {
        std::optional<eddy::core_handle> handle;
        bool has_run = false;
        bool has_spawned = false;
        const auto spawn_once = [&] {
            if (!handle || std::exchange(has_spawned, true)) return;
            EXPECT_TRUE(handle->spawn([&has_run] { has_run = true; }).has_value());
        };
        eddy::core core = eddy::core::builder().start_paused(paused).on_thread_park(spawn_once).build().value();
        handle = core.handle();
        core.run([](bool& done) -> task<> {
            while (!done) co_await eddy::time::sleep(1ms);
        }(has_run));
        EXPECT_TRUE(has_run);
    }
}

// covers: P010 I20.5.31
TEST(CoreSettings, PollTimeHistogramCountsEachPoll) {
    eddy::core core = eddy::core::builder().poll_time_histogram(true).build().value();
    core.run([]() -> task<> {
        for (int i = 0; i < 5; ++i) co_await eddy::yield_now();
    }());
    EXPECT_EQ(core.metrics().poll_times().total(), core.metrics().polls());
    EXPECT_EQ(core.metrics().polls(), 6u);
    eddy::core without;
    without.run([]() -> task<> { co_return; }());
    EXPECT_EQ(without.metrics().poll_times().total(), 0u);
}

/// Runs 64 selects of two ready futures. Returns the branches that were chosen.
std::string branches(eddy::core& core) {
    return core.run([]() -> task<std::string> {
        std::string taken;
        for (int i = 0; i < 64; ++i) {
            auto first = co_await eddy::select(eddy::ready(1), eddy::ready(2));
            taken += first.index() == 0 ? 'a' : 'b';
        }
        co_return taken;
    }());
}

// covers: P013 I20.5.30
TEST(CoreSettings, SeedDeterminesTheOrderOfSelects) {
    eddy::core one = eddy::core::builder().rng_seed(7).build().value();
    eddy::core same = eddy::core::builder().rng_seed(7).build().value();
    eddy::core different = eddy::core::builder().rng_seed(8).build().value();
    const std::string first = branches(one);
    EXPECT_TRUE(first.contains('a') && first.contains('b'));
    const std::string second = branches(one);  // continues the sequence
    EXPECT_NE(first, second);
    eddy::core unseeded;
    static_cast<void>(branches(unseeded));
    EXPECT_EQ(branches(same), first);
    EXPECT_EQ(branches(same), second);
    EXPECT_NE(branches(different), first);
}

// covers: P004
TEST(CoreSettings, SmallEventLimitPerTickReachesAllSources) {
    for (const std::size_t limit : {1u, 2u, 1000u}) {
        eddy::core core = eddy::core::builder().max_io_events_per_tick(limit).build().value();
        const int sum = core.run([]() -> task<int> {
            std::vector<eddy::net::unix_stream> writers;
            std::vector<eddy::join_handle<int>> readers;
            for (int i = 0; i < 20; ++i) {
                auto pair = eddy::net::unix_stream::pair().value();
                writers.push_back(std::move(pair.first));
                readers.push_back(eddy::spawn([](eddy::net::unix_stream from) -> task<int> {
                    std::array<std::byte, 1> byte{};
                    auto got = co_await from.read(byte);
                    co_return static_cast<int>(got.value());
                }(std::move(pair.second))));
            }
            for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
            const std::array<std::byte, 1> byte{};
            for (auto& each : writers) EXPECT_TRUE(each.try_write(byte).has_value());
            int total = 0;
            for (auto& each : readers) {
                auto ended = co_await each;
                total += ended.value();
            }
            co_return total;
        }());
        EXPECT_EQ(sum, 20) << limit;
    }
}

TEST(CoreSettings, ImpossibleSettingsThrow) {
    const auto no_events = support::text_of_misuse([] { eddy::core::builder().max_io_events_per_tick(0); });
    EXPECT_EQ(no_events.find("max_io_events_per_tick(0) would fetch no event: pass at least 1 (at "), 0u) << no_events;
    const auto negative = support::text_of_misuse([] { eddy::core::builder().spin_before_sleep(-1ns); });
    EXPECT_EQ(negative.find("spin_before_sleep() takes no negative duration"), 0u) << negative;
}

// covers: I20.5.17
TEST(CoreSettings, TickFetchesAtMostTheEventLimit) {
    constexpr int count = 9;
    constexpr int limit = 2;
    std::array<support::counter, count> sources;
    int woken = 0;
    eddy::core core = eddy::core::builder().max_io_events_per_tick(limit).build().value();
    for (const auto& each : sources) {
        core.handle().spawn([&woken, &each]() -> task<> {
            eddy::io::async_fd<eddy::io::source_fd> fd(eddy::io::source_fd(each.native_handle()),
                                                       eddy::io::interest::readable);
            auto ready = co_await fd.readable();
            EXPECT_TRUE(ready.has_value());
            ++woken;
        });
    }
    core.turn(0ns);
    for (const auto& each : sources) each.add();
    int turns = 0;
    for (; woken < count && turns < 100; ++turns) {
        const int before = woken;
        core.turn(0ns);
        EXPECT_LE(woken - before, limit);
    }
    EXPECT_EQ(woken, count);
    EXPECT_GE(turns, 5);
}

task<> keeps_alive(census::life) { co_await eddy::pending<void>(); }

/// Spawns tasks that never end by themselves.
void spawn_forever(eddy::core& core, census& living) {
    core.run([](census& counted) -> task<> {
        for (int i = 0; i < 5; ++i) eddy::spawn(keeps_alive(counted.begin_life())).detach();
        EXPECT_TRUE(eddy::core_handle::current().spawn(keeps_alive(counted.begin_life())).has_value());
        co_await eddy::yield_now();
    }(living));
    EXPECT_EQ(living.alive(), 6);
}

/// Shuts the loop down. At the limit, it would destroy the tasks that have not ended.
void shut_down_before_limit(eddy::core& core) {
    const auto began = std::chrono::steady_clock::now();
    std::move(core).shutdown_timeout(20s);
    EXPECT_LT(std::chrono::steady_clock::now() - began, 20s) << "a task was not cancelled";
}

// covers: P007 I20.5.32
TEST(CoreSettings, ShutdownTimeoutCancelsGracefully) {
    census living;
    support::async_gate may_end;
    std::atomic<int> cancels = 0;
    eddy::core core;
    spawn_forever(core, living);
    core.run([](support::async_gate& gate, std::atomic<int>& count) -> task<> {
        eddy::spawn(support::ends_slowly(gate, &count)).detach();
        // This task opens the gate during the shutdown: its cancellation runs the cleanup, which sleeps first.
        eddy::spawn(eddy::finally(eddy::pending<void>(), [&gate]() -> task<> {
            co_await eddy::time::sleep(1ms);
            gate.open();
        })).detach();
        co_await eddy::yield_now();
    }(may_end, cancels));
    shut_down_before_limit(core);
    EXPECT_EQ(living.alive(), 0);
    EXPECT_TRUE(may_end.is_open());
    EXPECT_GE(cancels, 2);
    EXPECT_EQ(core.id(), 0u);  // NOLINT(bugprone-use-after-move): it is empty
}

TEST(CoreSettings, ShutdownTimeoutCancelsTasksThatHaveNotBegun) {
    census living;
    eddy::core core;
    for (int i = 0; i < 1000; ++i) {  // more than are polled between two ticks of the driver
        EXPECT_TRUE(core.handle().spawn(keeps_alive(living.begin_life())).has_value());
    }
    EXPECT_EQ(living.alive(), 1000);
    shut_down_before_limit(core);
    EXPECT_EQ(living.alive(), 0);
}

TEST(CoreSettings, TaskSpawnedByACleanupIsCancelledToo) {
    census living;
    eddy::core core;
    core.run([](census& counted) -> task<> {
        eddy::spawn(eddy::finally(eddy::pending<void>(), [&counted]() -> task<> {
            eddy::spawn(keeps_alive(counted.begin_life())).detach();
            co_await eddy::yield_now();
        })).detach();
        co_await eddy::yield_now();
    }(living));
    shut_down_before_limit(core);
    EXPECT_EQ(living.alive(), 0);
}

// covers: P007 I20.5.32
TEST(CoreSettings, ShutdownTimeoutDestroysTasksThatDoNotEnd) {
    census living;
    support::async_gate never_opened;
    eddy::core core;
    spawn_forever(core, living);
    core.run([](support::async_gate& gate) -> task<> {
        eddy::spawn(support::ends_slowly(gate)).detach();
        co_await eddy::yield_now();
    }(never_opened));
    const auto began = std::chrono::steady_clock::now();
    std::move(core).shutdown_timeout(5ms);
    EXPECT_GE(std::chrono::steady_clock::now() - began, 5ms);
    EXPECT_EQ(living.alive(), 0);

    eddy::core other;
    spawn_forever(other, living);
    std::move(other).shutdown_timeout(std::chrono::nanoseconds::min());
    EXPECT_EQ(living.alive(), 0);
}

// covers: P007 I20.5.32
TEST(CoreSettings, ShutdownOnIdleRunsTasksToTheirEnd) {
    int ended = 0;
    eddy::core core;
    core.run([](int& count) -> task<> {
        for (int i = 0; i < 3; ++i) {
            eddy::spawn([&count]() -> task<> {
                co_await eddy::time::sleep(1ms);
                ++count;
            }).detach();
        }
        co_return;
    }(ended));
    EXPECT_EQ(ended, 0);
    std::move(core).shutdown_on_idle();
    EXPECT_EQ(ended, 3);
    std::move(core).shutdown_now();  // NOLINT(bugprone-use-after-move): does nothing for an empty core
}

// covers: P007 I20.5.32
TEST(CoreSettings, ShutdownNowDestroysTasks) {
    census living;
    eddy::core core;
    spawn_forever(core, living);
    const auto handle = core.handle();
    std::move(core).shutdown_now();
    EXPECT_EQ(living.alive(), 0);
    EXPECT_EQ(handle.spawn([] {}).error(), eddy::errc::runtime_shutdown);
}

}  // namespace
