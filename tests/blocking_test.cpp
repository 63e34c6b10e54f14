// SPDX-License-Identifier: MIT
// Work that blocks: spawn_blocking, block_in_place, block_on. (After tokio's task_blocking.rs.)
#include <eddy/spawn_blocking.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/handle.hpp>
#include <eddy/poll_fn.hpp>
#include <eddy/ready.hpp>
#include <eddy/run.hpp>
#include <eddy/spawn.hpp>
#include <eddy/task.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/try.hpp>
#include <eddy/wait.hpp>
#include <eddy/yield_now.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::async_gate;
using support::census;
using support::executor;

/// On a loop, and on runtimes of 1, 2 and 4 workers.
class SpawnBlocking : public testing::TestWithParam<unsigned> {
protected:
    executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, SpawnBlocking, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

/// What a loop does not have.
class BlockInPlace : public testing::TestWithParam<unsigned> {
protected:
    executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, BlockInPlace, testing::Values(1u, 2u, 4u), support::name_of_executor);

eddy::runtime_builder small_runtime() { return eddy::runtime::builder().worker_threads(1); }

// ---- spawn_blocking ----

TEST_P(SpawnBlocking, GivesWhatTheFunctionReturns) {
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

TEST_P(SpawnBlocking, GivesTheExceptionOfTheFunction) {
    const auto main = []() -> task<void> {
        const auto thrown = co_await eddy::spawn_blocking([]() -> int { throw std::runtime_error("blocked"); });
        EXPECT_FALSE(thrown.error().is_cancelled());
        EXPECT_THROW(thrown.error().rethrow(), std::runtime_error);
    };
    on.run(main());
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(SpawnBlocking, TheFunctionGoesBeforeItsEndIsAnnounced) {
    census living;
    const auto main = [&]() -> task<void> {
        auto work = eddy::spawn_blocking([mine = living.begin_life()] {});
        static_cast<void>(co_await work);
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(SpawnBlocking, TheLoopAndTheWorkersGoOnMeanwhile) {
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

TEST_P(SpawnBlocking, DetachedItGoesOn) {
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

TEST_P(SpawnBlocking, WorksInsideItself) {
    const auto main = []() -> task<void> {
        const auto handle = eddy::handle::try_current();
        auto nested = eddy::spawn_blocking([&] {
            if (!handle) return 6;  // a loop has no way back from the threads of the process
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

TEST_P(SpawnBlocking, ALoopOfItsOwnRunsThere) {
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

TEST_P(SpawnBlocking, HasANumberAndKnowsIt) {
    const auto main = []() -> task<void> {
        auto work = eddy::spawn_blocking([] { return eddy::current_task_id(); });
        const auto id = work.id();
        EXPECT_NE(id, 0u);
        EXPECT_EQ((co_await work).value(), id);
    };
    on.run(main());
}

TEST_P(SpawnBlocking, AbortOfWhatRunsComesTooLate) {
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

TEST_P(SpawnBlocking, NeedsARuntime) {
    census living;
    const auto text = support::text_of_misuse([&] { eddy::spawn_blocking([mine = living.begin_life()] {}); });
    EXPECT_NE(text.find("spawn_blocking needs a runtime or a loop"), std::string::npos) << text;
    EXPECT_NE(text.find("blocking_test.cpp"), std::string::npos) << text;
    EXPECT_EQ(living.alive(), 0);
}

TEST(SpawnBlockingOn, ARuntimeAndItsHandleTakeItFromAnyThread) {
    const auto rt = small_runtime().build().value();
    const auto here = [] { return std::this_thread::get_id(); };
    EXPECT_NE(eddy::wait(rt.spawn_blocking(here)).value(), std::this_thread::get_id());
    EXPECT_NE(eddy::wait(rt.handle().spawn_blocking(here)).value(), std::this_thread::get_id());
    // The runtime is current there.
    EXPECT_EQ(eddy::wait(rt.handle().spawn_blocking([] { return eddy::handle::current(); })).value(), rt.handle());
    // It goes to that runtime, and not to the current one.
    eddy::core loop;
    loop.run([](eddy::handle other) -> task<void> {
        auto work = other.spawn_blocking([] { return eddy::handle::current(); });
        const auto output = co_await work;
        EXPECT_EQ(output.value(), other);
    }(rt.handle()));
    auto throws = rt.spawn_blocking([]() -> int { throw std::runtime_error("broken"); });
    EXPECT_THROW(eddy::wait(throws).error().rethrow(), std::runtime_error);
}

TEST(SpawnBlockingOn, ARuntimeThatHasShutDownCancelsIt) {
    auto rt = small_runtime().build().value();
    const auto handle = rt.handle();
    std::move(rt).shutdown_timeout(std::chrono::seconds(20));
    auto work = handle.spawn_blocking([] { ADD_FAILURE() << "it ran"; });
    EXPECT_TRUE(eddy::wait(work).error().is_cancelled());
    const auto text = support::text_of_misuse([&] { rt.spawn_blocking([] {}).detach(); });
    EXPECT_NE(text.find("runtime::spawn_blocking() on a runtime that was moved from, or shut down"), text.npos) << text;
}

TEST(SpawnBlockingCap, AbortBeforeItRunsKeepsItFromThat) {
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

TEST(SpawnBlockingCap, GrowsToItsCapAndQueuesTheRest) {
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

TEST(SpawnBlockingCap, ThreadsThatAreIdleEnd) {
    const auto rt = small_runtime().thread_keep_alive(1ms).build().value();
    rt.block_on([]() -> task<void> { static_cast<void>(co_await eddy::spawn_blocking([] {})); }());
    EXPECT_TRUE(support::comes_true([&] { return rt.metrics().blocking_threads == 0; }));
}

TEST(SpawnBlockingCap, WhatIsQueuedIsCancelledAtTheShutdown) {
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
    EXPECT_TRUE(eddy::wait(running).value()) << "what runs goes on";
}

TEST(SpawnBlockingCap, ADetachedExceptionGoesToTheRuntimesHandler) {
    executor on(2);
    const auto main = []() -> task<void> {
        eddy::spawn_blocking([] { throw std::runtime_error("nobody waits"); });
        co_return;
    };
    on.run(main());
    on.run_until_idle();
    const auto reports = on.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].text, "nobody waits");
}

// ---- block_in_place ----

TEST_P(BlockInPlace, GivesWhatTheFunctionReturnsOrThrows) {
    const auto main = []() -> task<void> {
        EXPECT_EQ(eddy::block_in_place([] { return 3; }), 3);
        int local = 0;
        int& same = eddy::block_in_place([&]() -> int& { return local; });
        EXPECT_EQ(&same, &local);
        EXPECT_THROW(eddy::block_in_place([] { throw std::runtime_error("blocked"); }), std::runtime_error);
        co_await eddy::yield_now();
        EXPECT_EQ(eddy::block_in_place([] { return 4; }), 4);
    };
    on.run(main());
}

TEST_P(BlockInPlace, TasksTimersAndSocketsOfItsWorkerGoOnMeanwhile) {
    support::connection pair;
    support::gate echoed;
    support::tally ran;
    const auto echo = [](eddy::net::tcp_stream& stream) -> task<void> {
        std::array<std::byte, 16> buffer;
        for (;;) {
            const auto count = co_await stream.read(buffer);
            if (!count || *count == 0) co_return;
            static_cast<void>(co_await stream.write_all(std::span(buffer).first(*count)));
        }
    };
    const auto main = [&]() -> task<void> {
        auto echoes = eddy::spawn(echo(pair.stream));
        auto ticks = eddy::spawn([&]() -> task<void> {
            for (int i = 0; i < 5; ++i) {
                co_await eddy::time::sleep(1ms);
                ran.add();
            }
        });
        // So that both are at their sleep, and at their read, when this worker stands still.
        for (int i = 0; i < 10; ++i) co_await eddy::yield_now();
        auto woken = eddy::spawn([&]() -> task<void> {
            co_await eddy::yield_now();
            ran.add();
        });
        eddy::block_in_place([&] {
            EXPECT_TRUE(ran.wait_for(6));
            pair.peer.send("hello");
            EXPECT_EQ(pair.peer.receive(5), "hello");
        });
        static_cast<void>(co_await ticks);
        static_cast<void>(co_await woken);
        pair.peer.shutdown();
        static_cast<void>(co_await echoes);
    };
    on.run(main());
}

TEST_P(BlockInPlace, YieldNowAndThenBlockInPlace) {
    const auto main = []() -> task<void> {
        for (int i = 0; i < 100; ++i) {
            co_await eddy::yield_now();
            support::gate others_run;
            eddy::spawn([&] { others_run.open(); });
            EXPECT_TRUE(eddy::block_in_place([&] { return others_run.wait(); }));
        }
    };
    on.run(main());
}

TEST_P(BlockInPlace, AllWorkersAtOnce) {
    const unsigned count = GetParam() * 3;
    support::tally inside;
    const auto main = [&]() -> task<void> {
        std::vector<eddy::join_handle<bool>> handles;
        for (unsigned i = 0; i < count; ++i) {
            handles.push_back(eddy::spawn([&]() -> task<bool> {
                const bool all_came = eddy::block_in_place([&] {
                    inside.add();
                    return inside.wait_for(count);
                });
                co_await eddy::yield_now();
                co_return all_came;
            }));
        }
        for (auto& each : handles) EXPECT_TRUE((co_await each).value());
    };
    on.run(main());
}

TEST_P(BlockInPlace, Nests) {
    const auto main = []() -> task<int> {
        const int sum = eddy::block_in_place(
            [] { return 1 + eddy::block_in_place([] { return 2 + eddy::block_in_place([] { return 3; }); }); });
        co_await eddy::yield_now();
        co_return sum + eddy::block_in_place([] { return 4; });
    };
    EXPECT_EQ(on.run(main()), 10);
}

TEST_P(BlockInPlace, InsideItThereIsStillARuntime) {
    const auto main = []() -> task<int> {
        const int sum = eddy::block_in_place([] {
            auto blocking = eddy::spawn_blocking([] { return 1; });
            auto spawned = eddy::spawn([]() -> task<int> {
                co_await eddy::time::sleep(1ms);
                co_return 2;
            });
            return eddy::wait(blocking).value() + eddy::wait(spawned).value() +
                   eddy::handle::current().block_on(eddy::ready(3));
        });
        // What the same poll does after it, too.
        auto after = eddy::spawn([] { return 4; });
        co_await eddy::time::sleep(1ms);
        co_return sum + (co_await after).value();
    };
    EXPECT_EQ(on.run(main()), 10);
}

TEST_P(BlockInPlace, QuickOnesTakeTheirWorkerBack) {
    // Nobody else needs the worker, so more threads than calls would be a waste.
    const auto main = [&]() -> task<void> {
        for (int i = 0; i < 1000; ++i) {
            eddy::block_in_place([] {});
            if (i % 10 == 0) co_await eddy::yield_now();
        }
        const auto threads = on.pool().metrics().blocking_threads;
        EXPECT_LE(threads, 100u);
    };
    on.run(main());
}

TEST_P(BlockInPlace, ATaskThatIsAbortedMeanwhileEndsAtItsNextAwait) {
    census living;
    support::gate is_inside;
    support::gate is_aborted;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> {
            const auto mine = living.begin_life();
            eddy::block_in_place([&] {
                is_inside.open();
                EXPECT_TRUE(is_aborted.wait());
            });
            co_await eddy::yield_now();
            ADD_FAILURE() << "went on after an abort";
        });
        eddy::block_in_place([&] { EXPECT_TRUE(is_inside.wait()); });
        handle.abort();
        is_aborted.open();
        const auto ended = co_await handle;
        EXPECT_TRUE(!ended && ended.error().is_cancelled());
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(BlockInPlace, WithoutAFreeThreadTheFunctionIsJustCalled) {
    auto rt = eddy::runtime::builder().worker_threads(GetParam()).max_blocking_threads(1).build().value();
    support::gate has_begun;
    support::gate may_end;
    const auto main = [&]() -> task<void> {
        auto holds = eddy::spawn_blocking([&] {
            has_begun.open();
            return may_end.wait();
        });
        EXPECT_TRUE(has_begun.wait());
        for (int i = 0; i < 10; ++i) EXPECT_EQ(eddy::block_in_place([&] { return i; }), i);
        co_await eddy::yield_now();
        may_end.open();
        EXPECT_TRUE((co_await holds).value());
        co_await eddy::time::sleep(1ms);
    };
    rt.block_on(main());
}

TEST(BlockInPlaceElsewhere, OnALoopItIsRefused) {
    eddy::core loop;
    const auto main = []() -> task<std::string> {
        bool was_called = false;
        const auto text = support::text_of_misuse([&] { eddy::block_in_place([&] { was_called = true; }); });
        EXPECT_FALSE(was_called);
        co_return text;
    };
    const auto text = loop.run(main());
    EXPECT_NE(text.find("use spawn_blocking"), std::string::npos) << text;
    EXPECT_NE(text.find("blocking_test.cpp"), std::string::npos) << text;
}

TEST(BlockInPlaceElsewhere, OutsideOfARuntimeItJustCalls) {
    const auto here = std::this_thread::get_id();
    EXPECT_EQ(eddy::block_in_place([] { return std::this_thread::get_id(); }), here);
    const auto rt = small_runtime().build().value();
    const auto guard = rt.enter();
    EXPECT_EQ(eddy::block_in_place([] { return std::this_thread::get_id(); }), here);
}

// ---- block_on where it must not be ----

TEST(BlockOn, IsRefusedWhereTasksRun) {
    const auto rt = small_runtime().build().value();
    const auto expect_refused = [](const std::function<void()>& f, const char* what) {
        std::string text = "(nothing was thrown)";
        try {
            f();
        } catch (const eddy::nested_runtime& e) {
            text = e.what();
        }
        EXPECT_NE(text.find(what), std::string::npos) << text;
        EXPECT_NE(text.find("blocking_test.cpp"), std::string::npos) << text;
    };
    const auto try_all = [&]() -> task<void> {
        expect_refused([&] { rt.block_on(eddy::ready(1)); }, "block_on() was called inside a runtime");
        expect_refused([&] { rt.handle().block_on(eddy::ready(1)); }, "block_on() was called inside a runtime");
        expect_refused([&] { eddy::run(eddy::ready(1)); }, "eddy::run() was called inside a runtime");
        expect_refused([&] { rt.wait_until_idle(); }, "wait_until_idle() was called");
        expect_refused([&] { eddy::wait(eddy::ready(1)); }, "wait");
        co_await eddy::yield_now();
    };
    rt.block_on(try_all());
    eddy::core loop;
    loop.run(try_all());
    EXPECT_EQ(rt.block_on(eddy::ready(2)), 2) << "the outer one goes on";
    EXPECT_EQ(loop.run(eddy::ready(2)), 2);
}

// ---- Stress ----

TEST(BlockingStress, EveryJobRunsThoughTheThreadsComeAndGo) {
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

TEST(BlockingStress, WorkersThatAreHandedOnAndTakenBack) {
    const auto rounds = support::rounds(20'000);
    for (const unsigned workers : {1u, 2u, 4u}) {
        executor on(workers);
        std::atomic<std::uint64_t> steps = 0;
        const auto work = [&](unsigned which) -> task<void> {
            for (std::uint64_t i = 0; i < rounds; ++i) {
                if ((i + which) % 4 == 0) {
                    eddy::block_in_place([&] {
                        for (std::uint64_t n = 0; n < i % 8; ++n) std::this_thread::yield();
                    });
                }
                ++steps;
                co_await eddy::yield_now();
            }
        };
        const auto main = [&]() -> task<void> {
            std::vector<eddy::join_handle<void>> tasks;
            for (unsigned i = 0; i < 6; ++i) tasks.push_back(eddy::spawn(work(i)));
            for (auto& each : tasks) static_cast<void>(co_await each);
        };
        on.run(main());
        EXPECT_EQ(steps, 6 * rounds);
    }
}

TEST(BlockingStress, RuntimesThatEndWithBlockedTasks) {
    const auto rounds = support::rounds(5'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        census living;
        {
            auto rt = eddy::runtime::builder().worker_threads(static_cast<unsigned>(1 + round % 3)).build().value();
            for (int i = 0; i < 4; ++i) {
                rt.spawn([&, round]() -> task<void> {
                    const auto mine = living.begin_life();
                    for (;;) {
                        eddy::block_in_place([&] {
                            for (std::uint64_t n = 0; n < round % 5; ++n) std::this_thread::yield();
                        });
                        co_await eddy::yield_now();
                    }
                });
            }
            for (std::uint64_t n = 0; n < round % 7; ++n) std::this_thread::yield();
        }
        ASSERT_EQ(living.alive(), 0);
    }
}

}  // namespace
