// SPDX-License-Identifier: MIT
// block_in_place and block_on: tasks that block their worker, and the threads that take workers over.
#include <eddy/runtime/handle.hpp>
#include <eddy/task/spawn_blocking.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/run.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/runtime/on_executor.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::census;
using support::executor;

/// Runs on runtimes with 1, 2 and 4 workers: an event loop has no block_in_place.
class BlockInPlace : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, BlockInPlace, testing::Values(1u, 2u, 4u), support::name_of_executor);

eddy::runtime_builder small_runtime() { return eddy::runtime::builder().worker_threads(1); }

/// Blocks the only worker until another thread has taken it over and run a task.
task<void> hand_over_worker() {
    support::gate other;
    auto opens = eddy::spawn([&] { other.open(); });
    EXPECT_TRUE(eddy::block_in_place([&] { return other.wait(); }));
    static_cast<void>(co_await opens);
}

// ---- block_in_place ----

// covers: P022
TEST_P(BlockInPlace, ReturnsTheResultOrRethrows) {
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

// covers: P022
TEST_P(BlockInPlace, TasksTimersAndSocketsOfTheWorkerContinue) {
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
        // Let both tasks reach their sleep and their read before this worker blocks.
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

// covers: R027
TEST_P(BlockInPlace, SpawnedTaskRunsWhileTheWorkerIsBlocked) {
    const auto main = []() -> task<void> {
        for (int i = 0; i < 100; ++i) {
            co_await eddy::yield_now();
            support::gate others_run;
            eddy::spawn([&] { others_run.open(); });  // eddy-check: ignore: the gate waits for it
            EXPECT_TRUE(eddy::block_in_place([&] { return others_run.wait(); }));
        }
    };
    on.run(main());
}

TEST_P(BlockInPlace, AllWorkersMayBlockAtTheSameTime) {
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

TEST_P(BlockInPlace, CanBeNested) {
    const auto main = []() -> task<int> {
        const int sum = eddy::block_in_place(
            [] { return 1 + eddy::block_in_place([] { return 2 + eddy::block_in_place([] { return 3; }); }); });
        co_await eddy::yield_now();
        co_return sum + eddy::block_in_place([] { return 4; });
    };
    EXPECT_EQ(on.run(main()), 10);
}

TEST_P(BlockInPlace, RuntimeIsAvailableInside) {
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
        // The rest of the same poll can use the runtime too.
        auto after = eddy::spawn([] { return 4; });
        co_await eddy::time::sleep(1ms);
        co_return sum + (co_await after).value();
    };
    EXPECT_EQ(on.run(main()), 10);
}

TEST_P(BlockInPlace, QuickCallsTakeTheWorkerBack) {
    // The thread that the first call has woken waits for further ones. Others are woken only if a call lasts, as on a
    // busy machine.
    const auto calls = []() -> task<void> {
        for (int i = 0; i < 1000; ++i) {
            eddy::block_in_place([] {});
            if (i % 10 == 0) co_await eddy::yield_now();
        }
    };
    const auto before = on.pool().metrics();
    static_cast<void>(on.run(on.pool().spawn(calls())));
    const auto after = on.pool().metrics();
    EXPECT_LE(after.blocking_threads - before.blocking_threads, 100u);
}

TEST_P(BlockInPlace, TaskAbortedWhileBlockedEndsAtTheNextAwait) {
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
            ADD_FAILURE() << "the task continued after an abort";
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

TEST_P(BlockInPlace, CallsTheFunctionIfNoThreadIsFree) {
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

TEST(BlockInPlaceElsewhere, ThrowsOnALoop) {
    eddy::core loop;
    const auto main = []() -> task<std::string> {
        bool was_called = false;
        const auto text = support::text_of_misuse([&] { eddy::block_in_place([&] { was_called = true; }); });
        EXPECT_FALSE(was_called);
        co_return text;
    };
    const auto text = loop.run(main());
    EXPECT_NE(text.find("use spawn_blocking"), std::string::npos) << text;
    EXPECT_NE(text.find("block_in_place_test.cpp"), std::string::npos) << text;
}

TEST(BlockInPlaceElsewhere, CallsTheFunctionOutsideARuntime) {
    const auto here = std::this_thread::get_id();
    EXPECT_EQ(eddy::block_in_place([] { return std::this_thread::get_id(); }), here);
    const auto rt = small_runtime().build().value();
    const auto guard = rt.enter();
    EXPECT_EQ(eddy::block_in_place([] { return std::this_thread::get_id(); }), here);
}

TEST(BlockInPlaceElsewhere, KeepsTheEnteredRuntime) {
    const auto outer = support::make_runtime(2);
    const auto inner = support::make_runtime(1);
    bool inside = false;
    bool after = false;
    outer.block_on([](auto& other, bool& in, bool& behind) -> task<> {
        const auto guard = other.enter();
        eddy::block_in_place([&] { in = eddy::handle::current() == other.handle(); });
        behind = eddy::handle::current() == other.handle();
        co_return;
    }(inner, inside, after));
    EXPECT_TRUE(inside);
    EXPECT_TRUE(after);
}

TEST(BlockInPlaceElsewhere, HandedOverWorkerDoesNotCountAsBlocking) {
    const auto rt = small_runtime().max_blocking_threads(1).build().value();
    const auto main = []() -> task<void> {
        co_await hand_over_worker();
        const auto done = co_await eddy::time::timeout(20s, eddy::spawn_blocking([] {}));
        EXPECT_TRUE(done.has_value()) << "no thread runs blocking work";
    };
    rt.block_on(main());
}

TEST(BlockInPlaceElsewhere, ThreadThatTakesOverAWorkerIsReplaced) {
    const auto rt = small_runtime().max_blocking_threads(1).build().value();
    support::gate has_begun;
    support::gate may_end;
    support::gate has_run;
    const auto main = [&]() -> task<void> {
        auto holds = eddy::spawn_blocking([&] {
            has_begun.open();
            return may_end.wait();
        });
        EXPECT_TRUE(has_begun.wait());
        std::optional<eddy::join_handle<void>> job;
        const bool ran_inside = eddy::block_in_place([&] {
            // The only blocking thread runs `holds`. The hand-over of the worker is queued behind `holds`, and `job`
            // behind the hand-over. After `holds`, the worker occupies the thread.
            job.emplace(eddy::spawn_blocking([&] { has_run.open(); }));
            may_end.open();
            return has_run.wait();
        });
        EXPECT_TRUE(ran_inside) << "no thread took the job while the worker ran on the only blocking thread";
        EXPECT_TRUE((co_await holds).value());
        EXPECT_TRUE((co_await *job).has_value());
    };
    rt.block_on(main());
}

TEST(BlockInPlaceElsewhere, ThreadThatNoLongerRunsAWorkerCountsAgain) {
    const auto rt = small_runtime().max_blocking_threads(4).build().value();
    const auto main = []() -> task<void> {
        for (int i = 0; i < 8; ++i) {
            co_await hand_over_worker();
            co_await eddy::yield_now();  // the thread that took over the worker continues, and hands it over next
        }
    };
    rt.block_on(rt.spawn(main())).value();
    EXPECT_LE(rt.metrics().blocking_threads, 4u) << "a thread that gave the worker away does not count again";
}

// ---- block_on ----

// covers: S15
TEST(BlockOn, ThrowsInsideTasks) {
    const auto rt = small_runtime().build().value();
    const auto expect_refused = [](const std::function<void()>& f, const char* what) {
        std::string text = "(nothing was thrown)";
        try {
            f();
        } catch (const eddy::nested_runtime& e) {
            text = e.what();
        }
        EXPECT_NE(text.find(what), std::string::npos) << text;
        EXPECT_NE(text.find("block_in_place_test.cpp"), std::string::npos) << text;
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
    EXPECT_EQ(rt.block_on(eddy::ready(2)), 2) << "the outer runtime continues";
    EXPECT_EQ(loop.run(eddy::ready(2)), 2);
}

// ---- Stress ----

TEST(BlockInPlaceStress, WorkersAreHandedOverAndTakenBack) {
    for (const unsigned workers : {1u, 2u, 4u}) {
        executor on(workers);
        std::atomic<std::uint64_t> steps = 0;
        const auto work = [&](unsigned which) -> task<std::uint64_t> {
            support::handover_rounds rounds(20'000);
            std::uint64_t i = 0;
            for (; rounds.next(); ++i) {
                if ((i + which) % 4 == 0) {
                    eddy::block_in_place([&] {
                        for (std::uint64_t n = 0; n < i % 8; ++n) std::this_thread::yield();
                    });
                }
                ++steps;
                co_await eddy::yield_now();
            }
            co_return i;
        };
        const auto main = [&]() -> task<void> {
            std::vector<eddy::join_handle<std::uint64_t>> tasks;
            for (unsigned i = 0; i < 6; ++i) tasks.push_back(eddy::spawn(work(i)));
            std::uint64_t expected = 0;
            for (auto& each : tasks) {
                const auto done = co_await each;
                expected += done.value();
            }
            EXPECT_EQ(steps, expected);
        };
        on.run(main());
    }
}

TEST(BlockInPlaceStress, RuntimesEndWithBlockedTasks) {
    support::handover_rounds rounds(5'000);
    for (std::uint64_t round = 0; rounds.next(); ++round) {
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
