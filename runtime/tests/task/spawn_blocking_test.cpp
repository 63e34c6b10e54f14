// SPDX-License-Identifier: MIT
// spawn_blocking: functions that block, on threads of the blocking pool.
#include <eddy/task/spawn_blocking.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/try.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtime/on_executor.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::census;
using support::executor;

/// Runs on an event loop, and on runtimes with 1, 2 and 4 workers.
class SpawnBlocking : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, SpawnBlocking, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

eddy::runtime_builder small_runtime() { return eddy::runtime::builder().worker_threads(1); }

// ---- spawn_blocking ----

// covers: P021
TEST_P(SpawnBlocking, ReturnsTheResultOfTheFunction) {
    const auto main = []() -> task<void> {
        const auto here = std::this_thread::get_id();
        const auto there = co_await eddy::spawn_blocking([] { return std::this_thread::get_id(); });
        EXPECT_NE(there.value(), here);
        EXPECT_TRUE((co_await eddy::spawn_blocking([] {})).has_value());
        const auto text = co_await eddy::spawn_blocking([] { return std::string("a text"); });
        EXPECT_EQ(text.value(), "a text");
        auto moved = co_await eddy::spawn_blocking([] { return std::make_unique<int>(3); });
        EXPECT_EQ(**moved, 3);
        auto taken = std::make_unique<int>(4);
        auto work = eddy::spawn_blocking([mine = std::move(taken)] { return *mine; });
        EXPECT_EQ((co_await work).value(), 4);
        const auto tried = co_await []() -> task<eddy::result<int>> {
            co_return co_await eddy::try_(eddy::spawn_blocking([] { return 5; }));
        }();
        EXPECT_EQ(tried.value(), 5);
    };
    on.run(main());
}

// covers: P021
TEST_P(SpawnBlocking, ReturnsTheExceptionOfTheFunction) {
    const auto main = []() -> task<void> {
        const auto thrown = co_await eddy::spawn_blocking([]() -> int { throw std::runtime_error("blocked"); });
        EXPECT_FALSE(thrown.error().is_cancelled());
        EXPECT_THROW(thrown.error().rethrow(), std::runtime_error);
    };
    on.run(main());
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(SpawnBlocking, FunctionIsDestroyedBeforeTheHandleIsReady) {
    census living;
    const auto main = [&]() -> task<void> {
        auto work = eddy::spawn_blocking([mine = living.begin_life()] {});
        static_cast<void>(co_await work);
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(SpawnBlocking, LoopAndWorkersRunDuringBlockingWork) {
    support::gate may_end;
    const auto main = [&]() -> task<void> {
        std::vector<eddy::join_handle<bool>> blocked;
        for (int i = 0; i < 8; ++i) blocked.push_back(eddy::spawn_blocking([&] { return may_end.wait(); }));
        for (int i = 0; i < 100; ++i) co_await eddy::yield_now();
        co_await eddy::time::sleep(1ms);
        for (const auto& each : blocked) EXPECT_FALSE(each.is_finished());
        may_end.open();
        for (auto& each : blocked) EXPECT_TRUE((co_await each).value());
    };
    on.run(main());
}

TEST_P(SpawnBlocking, DetachedWorkContinues) {
    support::gate has_run;
    census living;
    const auto main = [&]() -> task<void> {
        eddy::spawn_blocking([&, mine = living.begin_life()] {
            has_run.open();
            return living.begin_life();
        });
        co_return;
    };
    on.run(main());
    EXPECT_TRUE(has_run.wait());
    EXPECT_TRUE(support::comes_true([&] { return living.alive() == 0; }));
}

TEST_P(SpawnBlocking, WorksInsideBlockingWork) {
    const auto main = []() -> task<void> {
        const auto handle = eddy::handle::try_current();
        auto nested = eddy::spawn_blocking([&] {
            if (!handle) return 6;  // an event loop has no handle
            EXPECT_EQ(eddy::handle::current(), *handle);
            auto inner = eddy::spawn_blocking([] { return 1; });
            auto spawned = eddy::spawn([]() -> task<int> {
                co_await eddy::yield_now();
                co_return 2;
            });
            const int third = handle->block_on([]() -> task<int> {
                co_await eddy::time::sleep(1ms);
                co_return 3;
            }());
            return eddy::wait(inner).value() + eddy::wait(spawned).value() + third;
        });
        EXPECT_EQ((co_await nested).value(), 6);
    };
    on.run(main());
}

TEST_P(SpawnBlocking, BlockingWorkMayRunAnotherLoop) {
    const auto main = []() -> task<void> {
        auto work = eddy::spawn_blocking([] {
            eddy::core own;
            return own.run([]() -> task<int> {
                co_await eddy::time::sleep(1ms);
                co_return (co_await eddy::spawn([] { return 7; })).value();
            }());
        });
        EXPECT_EQ((co_await work).value(), 7);
    };
    on.run(main());
}

TEST_P(SpawnBlocking, BlockingWorkHasATaskId) {
    const auto main = []() -> task<void> {
        auto work = eddy::spawn_blocking([] { return eddy::current_task_id(); });
        const auto id = work.id();
        EXPECT_NE(id, 0u);
        EXPECT_EQ((co_await work).value(), id);
    };
    on.run(main());
}

TEST_P(SpawnBlocking, AbortOfRunningWorkDoesNothing) {
    support::gate has_begun;
    support::gate may_end;
    const auto main = [&]() -> task<void> {
        auto work = eddy::spawn_blocking([&] {
            has_begun.open();
            return may_end.wait();
        });
        EXPECT_TRUE(has_begun.wait());
        work.abort();
        may_end.open();
        EXPECT_TRUE((co_await work).value());
    };
    on.run(main());
}

TEST_P(SpawnBlocking, ThrowsWithoutARuntime) {
    census living;
    const auto text = support::text_of_misuse([&] { eddy::spawn_blocking([mine = living.begin_life()] {}); });
    EXPECT_NE(text.find("spawn_blocking needs a runtime or a loop"), std::string::npos) << text;
    EXPECT_NE(text.find("spawn_blocking_test.cpp"), std::string::npos) << text;
    EXPECT_EQ(living.alive(), 0);
}

TEST(SpawnBlockingOn, RuntimeAndHandleAcceptWorkFromAnyThread) {
    const auto rt = small_runtime().build().value();
    const auto here = [] { return std::this_thread::get_id(); };
    EXPECT_NE(eddy::wait(rt.spawn_blocking(here)).value(), std::this_thread::get_id());
    EXPECT_NE(eddy::wait(rt.handle().spawn_blocking(here)).value(), std::this_thread::get_id());
    // The runtime is current inside blocking work.
    EXPECT_EQ(eddy::wait(rt.handle().spawn_blocking([] { return eddy::handle::current(); })).value(), rt.handle());
    // The work runs on the runtime of the handle, even if another executor is current.
    eddy::core loop;
    loop.run([](eddy::handle other) -> task<void> {
        auto work = other.spawn_blocking([] { return eddy::handle::current(); });
        const auto output = co_await work;
        EXPECT_EQ(output.value(), other);
    }(rt.handle()));
    auto throws = rt.spawn_blocking([]() -> int { throw std::runtime_error("broken"); });
    EXPECT_THROW(eddy::wait(throws).error().rethrow(), std::runtime_error);
}

TEST(SpawnBlockingOn, WorkLeavesNothingOfTheRuntime) {
    const auto kept = std::make_shared<int>();
    {
        const auto rt = small_runtime().on_thread_start([kept] {}).build().value();
        EXPECT_TRUE(eddy::wait(rt.spawn_blocking([] {})).has_value());
    }
    EXPECT_TRUE(support::comes_true([&] { return kept.use_count() == 1; }));
}

TEST(SpawnBlockingOn, ShutDownRuntimeCancelsTheWork) {
    auto rt = small_runtime().build().value();
    const auto handle = rt.handle();
    std::move(rt).shutdown_timeout(std::chrono::seconds(20));
    auto work = handle.spawn_blocking([] { ADD_FAILURE() << "the work ran"; });
    EXPECT_TRUE(eddy::wait(work).error().is_cancelled());
    const auto text = support::text_of_misuse([&] { rt.spawn_blocking([] {}).detach(); });
    EXPECT_NE(text.find("runtime::spawn_blocking() on a runtime that was moved from, or shut down"), text.npos) << text;
}

// covers: P021
TEST(SpawnBlockingCap, AbortBeforeTheStartPreventsTheRun) {
    const auto rt = small_runtime().max_blocking_threads(1).build().value();
    support::gate has_begun;
    support::gate may_end;
    census living;
    bool has_run = false;
    const auto main = [&]() -> task<void> {
        auto first = eddy::spawn_blocking([&] {
            has_begun.open();
            return may_end.wait();
        });
        EXPECT_TRUE(has_begun.wait());
        auto second = eddy::spawn_blocking([&, mine = living.begin_life()] { has_run = true; });
        second.abort();
        may_end.open();
        const auto ended = co_await second;
        EXPECT_TRUE(!ended && ended.error().is_cancelled());
        EXPECT_TRUE((co_await first).value());
        EXPECT_EQ(living.alive(), 0);
    };
    rt.block_on(main());
    EXPECT_FALSE(has_run);
}

// covers: P021
TEST(SpawnBlockingCap, ThreadsGrowToTheCapAndFurtherWorkIsQueued) {
    const auto rt = small_runtime().max_blocking_threads(3).build().value();
    support::tally begun;
    support::gate may_end;
    std::atomic<int> at_once = 0;
    std::atomic<int> most = 0;
    const auto main = [&]() -> task<void> {
        std::vector<eddy::join_handle<bool>> work;
        for (int i = 0; i < 12; ++i) {
            work.push_back(eddy::spawn_blocking([&] {
                const int now = ++at_once;
                for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
                }
                begun.add();
                const bool opened = may_end.wait();
                --at_once;
                return opened;
            }));
        }
        EXPECT_TRUE(begun.wait_for(3));
        EXPECT_EQ(rt.metrics().blocking_threads, 3u);
        EXPECT_EQ(rt.metrics().blocking_queue_depth, 9u);
        may_end.open();
        for (auto& each : work) EXPECT_TRUE((co_await each).value());
    };
    rt.block_on(main());
    EXPECT_EQ(most, 3);
}

TEST(SpawnBlockingCap, IdleThreadsEnd) {
    const auto rt = small_runtime().thread_keep_alive(1ms).build().value();
    rt.block_on([]() -> task<void> { static_cast<void>(co_await eddy::spawn_blocking([] {})); }());
    EXPECT_TRUE(support::comes_true([&] { return rt.metrics().blocking_threads == 0; }));
}

TEST(SpawnBlockingCap, ShutdownCancelsQueuedWork) {
    auto rt = small_runtime().max_blocking_threads(1).build().value();
    support::gate has_begun;
    support::gate may_end;
    census living;
    std::vector<eddy::join_handle<void>> queued;
    eddy::join_handle<bool> running = [&] {
        const auto guard = rt.enter();
        auto first = eddy::spawn_blocking([&] {
            has_begun.open();
            return may_end.wait();
        });
        EXPECT_TRUE(has_begun.wait());
        for (int i = 0; i < 5; ++i) queued.push_back(eddy::spawn_blocking([mine = living.begin_life()] {}));
        return first;
    }();
    EXPECT_EQ(living.alive(), 5);
    std::move(rt).shutdown_background();
    for (auto& each : queued) {
        const auto ended = eddy::wait(each);
        EXPECT_TRUE(!ended && ended.error().is_cancelled());
    }
    EXPECT_EQ(living.alive(), 0);
    may_end.open();
    EXPECT_TRUE(eddy::wait(running).value()) << "running work continues";
}

TEST(SpawnBlockingCap, DetachedExceptionGoesToRuntimeHandler) {
    executor on(2);
    const auto main = []() -> task<void> {
        eddy::spawn_blocking([] { throw std::runtime_error("no waiter"); });
        co_return;
    };
    on.run(main());
    on.run_until_idle();
    const auto reports = on.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].text, "no waiter");
}

// ---- Stress ----

// covers: R030
TEST(SpawnBlockingStress, EveryJobRunsWhileThreadsStartAndEnd) {
    const auto rounds = support::rounds(20'000);
    const auto rt = eddy::runtime::builder().worker_threads(2).thread_keep_alive(1us).build().value();
    std::atomic<std::uint64_t> ran = 0;
    const auto submit = [&]() -> task<void> {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            auto work = eddy::spawn_blocking([&] { ++ran; });
            if (i % 3 == 0) {
                work.detach();
            } else {
                EXPECT_TRUE((co_await work).has_value());
            }
        }
    };
    const auto main = [&]() -> task<void> {
        std::vector<eddy::join_handle<void>> submitters;
        for (int i = 0; i < 8; ++i) submitters.push_back(eddy::spawn(submit()));
        for (auto& each : submitters) static_cast<void>(co_await each);
    };
    rt.block_on(main());
    rt.wait_until_idle();
    EXPECT_EQ(ran, 8 * rounds);
}

// ---- try_ of a task that threw ----

eddy::task<int> throws_after_wait(const char* text) {
    co_await eddy::yield_now();
    throw std::runtime_error(text);
}
eddy::task<std::expected<int, eddy::join_error>> joined(eddy::join_handle<int> handle) { co_return co_await handle; }

/// Awaits `work` by try_, and returns the text of the exception that the coroutine has caught.
template <class F>
eddy::task<eddy::result<std::string>> caught_from(F work) {
    try {
        const int value = co_await eddy::try_(std::move(work));
        co_return std::to_string(value);
    } catch (const std::runtime_error& e) {
        co_return e.what();
    }
}

eddy::task<eddy::result<std::string>> caught_from_expected(eddy::join_handle<int> handle) {
    auto outcome = co_await handle;
    co_return co_await caught_from(std::move(outcome));
}

/// The error of this coroutine is a join_error, so try_ passes it on.
eddy::task<std::expected<int, eddy::join_error>> passes_on(eddy::join_handle<int> handle) {
    const int value = co_await eddy::try_(handle);
    co_return value;
}

TEST(TryOfTask, CoroutineCanCatchExceptionOfTask) {
    eddy::core loop;
    const auto main = []() -> eddy::task<void> {
        auto throws = [] {
            throw std::runtime_error("blocking");
            return 1;
        };
        auto blocking = eddy::spawn_blocking(throws);
        const auto first = co_await caught_from(std::move(blocking));
        EXPECT_EQ(first, "blocking");
        const auto second = co_await caught_from(joined(eddy::spawn(throws_after_wait("task"))));
        EXPECT_EQ(second, "task");
        const auto third = co_await caught_from_expected(eddy::spawn(throws_after_wait("expected")));
        EXPECT_EQ(third, "expected");
        const auto passed = co_await passes_on(eddy::spawn(throws_after_wait("passed on")));
        EXPECT_FALSE(passed.error().is_cancelled());

        auto cancelled = eddy::spawn(throws_after_wait("never"));
        cancelled.abort();
        const auto last = co_await caught_from(std::move(cancelled));
        EXPECT_EQ(last.error(), eddy::errc::task_cancelled);
    };
    loop.run(main());
}

}  // namespace
