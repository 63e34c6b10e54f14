// SPDX-License-Identifier: MIT
#include <eddy/task/join_set.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/select_loop.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/join_map.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/sleep.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/runtimes.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::join_set;
using eddy::task;
using eddy::sync::oneshot;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::census;
using support::everywhere;

static_assert(eddy::stream<join_set<int>>);
static_assert(std::is_nothrow_move_constructible_v<join_set<int>> && !std::is_copy_constructible_v<join_set<int>>);

task<int> gives(int value) { co_return value; }
task<int> gives_later(int value) {
    co_await eddy::yield_now();
    co_return value;
}
task<int> throws_later() {
    co_await eddy::yield_now();
    throw std::runtime_error("thrown");
}
task<int> after(oneshot<int>::receiver rx) { co_return (co_await rx).value(); }
task<int> never() {
    co_await eddy::pending<void>();
    co_return 0;
}

task<int> holds(census::life) {
    co_await eddy::pending<void>();
    co_return 0;
}

TEST(JoinSet, JoinNextReturnsEachOutputOnce) {
    everywhere([]() -> task<> {
        join_set<int> set;
        for (int i = 0; i < 100; ++i) set.spawn(gives_later(i));
        EXPECT_EQ(set.len(), 100u);
        std::set<int> seen;
        for (;;) {
            auto output = co_await set.join_next();
            if (!output) break;
            seen.insert(output->value());
        }
        EXPECT_EQ(seen.size(), 100u);
        EXPECT_TRUE(set.is_empty());
        auto none = co_await set.join_next();
        EXPECT_FALSE(none.has_value());
    });
}

TEST(JoinSet, SelectLoopJoinsTasksThatAreSpawnedLater) {
    join_set<int> set;
    std::vector<int> joined;
    int spawned = 0;
    const auto spawn_next = [&] {
        if (set.is_empty()) set.spawn(gives_later(++spawned));
    };
    eddy::core loop = eddy::core::make().value();
    loop.run(eddy::select_loop(eddy::on(std::ref(set),
                                        [&](std::expected<int, eddy::join_error> output) {
                                            joined.push_back(output.value());
                                            return joined.size() == 3 ? eddy::flow::stop : eddy::flow::next;
                                        }),
                               eddy::on([] { return eddy::yield_now(); }, spawn_next)));
    EXPECT_EQ(joined, (std::vector{1, 2, 3}));
}

TEST(JoinSet, AcceptsCallablesFuturesAndVoid) {
    everywhere([]() -> task<> {
        join_set<int> set;
        auto text = std::make_unique<std::string>("four");
        set.spawn([text = std::move(text)] { return static_cast<int>(text->size()); });
        set.spawn([] { return gives_later(5); });
        set.spawn(eddy::ready(6));
        set.spawn_blocking([] { return 7; });
        int sum = 0;
        while (auto output = co_await set.join_next()) sum += output->value();
        EXPECT_EQ(sum, 22);
        join_set<> nothing;
        nothing.spawn([] {});
        auto ended = co_await nothing.join_next();
        EXPECT_TRUE(ended.has_value() && ended->has_value());
    });
}

TEST(JoinSet, JoinsInOrderOfCompletion) {
    everywhere([]() -> task<> {
        join_set<int> set;
        std::vector<oneshot<int>::sender> senders;
        for (int i = 0; i < 5; ++i) {
            auto ends = oneshot<int>::channel();
            senders.push_back(std::move(ends.sender));
            set.spawn(after(std::move(ends.receiver)));
        }
        for (const int i : {3, 0, 4, 1, 2}) {
            static_cast<void>(senders[static_cast<std::size_t>(i)].send(i));
            auto output = co_await set.join_next();
            EXPECT_EQ(output->value(), i);
        }
    });
}

TEST(JoinSet, AlternatesBetweenSpawnAndJoin) {
    everywhere([]() -> task<> {
        join_set<int> set;
        set.spawn(gives(0));
        set.spawn(gives(1));
        for (int i = 0; i < 16; ++i) {
            auto output = co_await set.join_next();
            EXPECT_TRUE(output && output->has_value());
            EXPECT_EQ(set.len(), 1u);
            set.spawn(gives_later(i));
            EXPECT_EQ(set.len(), 2u);
        }
    });
}

TEST(JoinSet, ExceptionBecomesJoinError) {
    everywhere([]() -> task<> {
        join_set<int> set;
        set.spawn(throws_later());
        auto output = co_await set.join_next();
        EXPECT_FALSE(output->error().is_cancelled());
        EXPECT_THROW(output->error().rethrow(), std::runtime_error);
    });
}

TEST(JoinSet, AbortHandleAbortsOneTask) {
    everywhere([]() -> task<> {
        join_set<int> set;
        std::vector<eddy::abort_handle> handles;
        for (int i = 0; i < 16; ++i) handles.push_back(set.spawn(never()));
        for (std::size_t i = 0; i < 16; i += 2) handles[i].abort();
        std::set<eddy::task_id> ended;
        for (int i = 0; i < 8; ++i) {
            auto output = co_await set.join_next_with_id();
            EXPECT_TRUE(output->output.error().is_cancelled());
            EXPECT_EQ(output->id, output->output.error().id());
            ended.insert(output->id);
        }
        EXPECT_EQ(ended.size(), 8u);
        for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(ended.contains(handles[i].id()), i % 2 == 0);
        EXPECT_EQ(set.len(), 8u);
        EXPECT_FALSE(set.try_join_next().has_value());
    });
}

TEST(JoinSet, DropAbortsAllTasks) {
    everywhere([]() -> task<> {
        census living;
        {
            join_set<int> set;
            for (int i = 0; i < 16; ++i) set.spawn(holds(living.begin_life()));
            co_await eddy::yield_now();
            EXPECT_EQ(living.alive(), 16);
        }
        while (living.alive() != 0) co_await eddy::yield_now();
    });
}

TEST(JoinSet, AbortedTasksCanStillBeJoined) {
    everywhere([]() -> task<> {
        join_set<int> set;
        census living;
        for (int i = 0; i < 5; ++i) set.spawn(holds(living.begin_life()));
        set.spawn(gives(7));
        while (!set.try_join_next()) co_await eddy::yield_now();
        set.abort_all();
        EXPECT_EQ(set.len(), 5u);
        int cancelled = 0;
        for (;;) {
            auto output = co_await set.join_next();
            if (!output) break;
            cancelled += !output->has_value() && output->error().is_cancelled() ? 1 : 0;
        }
        EXPECT_EQ(cancelled, 5);
        EXPECT_EQ(living.alive(), 0);
    });
}

TEST(JoinSet, ShutdownAwaitsAllTasks) {
    everywhere([]() -> task<> {
        join_set<int> set;
        census living;
        for (int i = 0; i < 5; ++i) set.spawn(holds(living.begin_life()));
        co_await set.shutdown();
        EXPECT_EQ(living.alive(), 0);
        EXPECT_TRUE(set.is_empty());
    });
}

TEST(JoinSet, DetachAllKeepsTasksRunning) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        auto told = oneshot<int>::channel();
        {
            join_set<> set;
            set.spawn([rx = std::move(ends.receiver), tx = std::move(told.sender)]() mutable -> task<> {
                static_cast<void>(tx.send((co_await rx).value()));
            });
            set.detach_all();
            EXPECT_TRUE(set.is_empty());
            auto none = co_await set.join_next();
            EXPECT_FALSE(none.has_value());
        }
        static_cast<void>(ends.sender.send(5));
        auto answer = co_await told.receiver;
        EXPECT_EQ(answer.value(), 5);
    });
}

TEST(JoinSet, JoinAllReturnsAllOutputs) {
    everywhere([]() -> task<> {
        join_set<int> set;
        for (int i = 0; i < 20; ++i) set.spawn(gives_later(i));
        auto all = co_await std::move(set).join_all();
        std::sort(all.begin(), all.end());
        EXPECT_EQ(all.size(), 20u);
        EXPECT_TRUE(all.front() == 0 && all.back() == 19);
        join_set<> nothing;
        nothing.spawn([] {});
        co_await std::move(nothing).join_all();
    });
}

TEST(JoinSet, JoinAllThrowsFirstFailureAndAbortsRest) {
    everywhere([]() -> task<> {
        census living;
        join_set<int> set;
        for (int i = 0; i < 4; ++i) set.spawn(holds(living.begin_life()));
        set.spawn(throws_later());
        bool thrown = false;
        try {
            co_await std::move(set).join_all();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        while (living.alive() != 0) co_await eddy::yield_now();
    });
}

TEST(JoinSet, JoinNextIsCancelSafe) {
    everywhere([]() -> task<> {
        join_set<int> set;
        for (int i = 0; i < 50; ++i) set.spawn(gives_later(i));
        int sum = 0;
        while (!set.is_empty()) {
            // Each round drops one of the two futures. A dropped join_next() has usually started to wait.
            auto first = co_await eddy::select(eddy::yield_now(), set.join_next());
            if (first.index() == 1) sum += std::get<1>(first)->value();
        }
        EXPECT_EQ(sum, 49 * 50 / 2);
    });
}

TEST(JoinSet, UnpolledJoinNextRemovesNoTask) {
    eddy::core core;
    join_set<int> set;
    core.run([](join_set<int>& tasks) -> task<> {
        tasks.spawn(gives(3));
        co_await eddy::yield_now();
        co_await eddy::yield_now();
        {
            auto unused = tasks.join_next();
            static_cast<void>(unused);
        }
        EXPECT_EQ(tasks.len(), 1u);
        auto output = tasks.try_join_next_with_id();
        EXPECT_TRUE(output.has_value());
        EXPECT_EQ(output->output.value(), 3);
    }(set));
}

TEST(JoinSet, WakesLastPolledJoinNext) {
    eddy::core core;
    join_set<int> set;
    auto ends = oneshot<int>::channel();
    core.run([](join_set<int>& tasks, oneshot<int>::receiver rx) -> task<> {
        tasks.spawn(after(std::move(rx)));
        co_return;
    }(set, std::move(ends.receiver)));
    by_hand first(set.join_next());
    assert_pending(first.poll());
    by_hand second(set.join_next());
    assert_pending(second.poll());
    EXPECT_EQ(first.wakers(), 0u);
    static_cast<void>(ends.sender.send(1));
    core.run_until_idle();
    EXPECT_TRUE(second.is_woken());
    EXPECT_FALSE(first.is_woken());
    EXPECT_EQ(second.wakers(), 0u);
    EXPECT_EQ(assert_ready(second.poll())->value(), 1);
    EXPECT_FALSE(assert_ready(first.poll()).has_value());
}

TEST(JoinSet, DetachAllWakesPendingJoinNext) {
    eddy::core core;
    join_set<int> set;
    core.run([](join_set<int>& tasks) -> task<> {
        tasks.spawn(never());
        co_return;
    }(set));
    by_hand next(set.join_next());
    assert_pending(next.poll());
    set.detach_all();
    EXPECT_TRUE(next.is_woken());
    EXPECT_FALSE(assert_ready(next.poll()).has_value());
}

TEST(JoinSet, MoveKeepsTasks) {
    everywhere([]() -> task<> {
        join_set<int> set;
        set.spawn(gives_later(1));
        join_set<int> moved(std::move(set));
        join_set<int> third;
        third.spawn(never());
        third = std::move(moved);
        EXPECT_EQ(third.len(), 1u);
        auto output = co_await third.join_next();
        EXPECT_EQ(output->value(), 1);
    });
}

TEST(JoinSet, InsertAcceptsFinishedTask) {
    everywhere([]() -> task<> {
        auto handle = eddy::spawn(gives(9));
        while (!handle.is_finished()) co_await eddy::yield_now();
        join_set<int> set;
        set.insert(std::move(handle));
        auto output = co_await set.join_next();
        EXPECT_EQ(output->value(), 9);
    });
}

TEST(JoinSet, SpawnsOnAnotherRuntime) {
    const eddy::runtime other = support::runtime_with(2);
    everywhere([handle = other.handle()]() -> task<> {
        join_set<bool> set;
        for (int i = 0; i < 10; ++i) {
            set.spawn_on(handle, [handle] { return eddy::handle::current() == handle; });
        }
        while (auto output = co_await set.join_next()) EXPECT_TRUE(output->value());
    });
}

TEST(JoinSet, SpawnsIntoLocalSet) {
    everywhere([]() -> task<> {
        eddy::local_set local;
        join_set<int> set;
        int count = 0;
        co_await local.run_until([](join_set<int>& tasks, int& shared) -> task<> {
            for (int i = 0; i < 10; ++i) {
                tasks.spawn_local([&shared]() -> task<int> {
                    co_await eddy::yield_now();
                    co_return ++shared;
                });
            }
            while (auto output = co_await tasks.join_next()) EXPECT_TRUE(output->has_value());
        }(set, count));
        EXPECT_EQ(count, 10);
    });
}

TEST(JoinSet, MayOutliveRuntime) {
    join_set<int> set;
    {
        const eddy::runtime rt = support::runtime_with(2);
        for (int i = 0; i < 8; ++i) set.spawn_on(rt.handle(), never());
        set.spawn_on(rt.handle(), gives(1));
    }
    int cancelled = 0;
    while (auto output = eddy::wait(set.join_next())) {
        cancelled += !output->has_value() && output->error().is_cancelled() ? 1 : 0;
    }
    EXPECT_GE(cancelled, 8);
    EXPECT_TRUE(set.is_empty());
}

TEST(JoinSet, SpawnOnEndedRuntimeIsCancelled) {
    auto rt = support::runtime_with(1);
    const eddy::handle handle = rt.handle();
    std::move(rt).shutdown_now().wait();
    join_set<int> set;
    set.spawn_on(handle, never());
    auto output = set.try_join_next();
    EXPECT_TRUE(output && output->error().is_cancelled());
}

TEST(JoinSet, SpawnOutsideRuntimeThrowsMisuse) {
    join_set<int> set;
    EXPECT_THROW(set.spawn(never()), eddy::misuse);
    EXPECT_TRUE(set.is_empty());
    EXPECT_FALSE(eddy::wait(set.join_next()).has_value());
}

TEST(JoinSet, ReadyOutputsDoNotStarveOtherTasks) {
    eddy::core core;
    int polls = 0;
    core.run([](int& seen) -> task<> {
        join_set<int> set;
        for (int i = 0; i < 1000; ++i) set.spawn(gives(i));
        for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
        auto other = eddy::spawn([&seen]() -> task<> {
            for (int i = 0; i < 5; ++i) {
                ++seen;
                co_await eddy::yield_now();
            }
        });
        while (auto output = co_await set.join_next()) EXPECT_TRUE(output->has_value());
    }(polls));
    EXPECT_GE(polls, 5);
}

TEST(JoinSetStress, SpawnJoinAndDropOnFourWorkers) {
    const auto rounds = support::rounds(500);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const eddy::runtime rt = support::runtime_with(4);
        const int sum = rt.block_on([]() -> task<int> {
            join_set<int> set;
            int total = 0;
            for (int i = 0; i < 500; ++i) {
                set.spawn(i % 3 == 0 ? gives(1) : gives_later(1));
                if (i % 7 == 0) {
                    if (auto output = set.try_join_next()) total += output->value();
                }
            }
            for (int i = 0; i < 100; ++i) {
                auto output = co_await set.join_next();
                total += output->value();
            }
            // Drops a set while its tasks end.
            join_set<int> dropped;
            for (int i = 0; i < 50; ++i) dropped.spawn(gives_later(1));
            dropped = join_set<int>();
            while (auto output = co_await set.join_next()) total += output->value();
            co_return total;
        }());
        EXPECT_EQ(sum, 500);
    }
}

// ---- join_map ----

TEST(JoinMap, JoinNextReturnsKeyAndOutput) {
    everywhere([]() -> task<> {
        eddy::join_map<std::string, int> map;
        map.spawn("one", gives_later(1));
        map.spawn("two", gives_later(2));
        EXPECT_EQ(map.len(), 2u);
        EXPECT_TRUE(map.contains("one"));
        int sum = 0;
        for (;;) {
            auto ended = co_await map.join_next();
            if (!ended) break;
            EXPECT_EQ(ended->output.value(), ended->key == "one" ? 1 : 2);
            sum += ended->output.value();
        }
        EXPECT_EQ(sum, 3);
        EXPECT_FALSE(map.contains("one"));
        EXPECT_TRUE(map.is_empty());
    });
}

TEST(JoinMap, SpawnUnderSameKeyReplacesTask) {
    everywhere([]() -> task<> {
        eddy::join_map<int, int> map;
        census living;
        map.spawn(1, holds(living.begin_life()));
        map.spawn(1, gives_later(5));
        EXPECT_EQ(map.len(), 1u);
        auto ended = co_await map.join_next();
        EXPECT_TRUE(ended->key == 1 && ended->output.value() == 5);
        auto none = co_await map.join_next();
        EXPECT_FALSE(none.has_value());
        EXPECT_EQ(living.alive(), 0);
    });
}

TEST(JoinMap, AbortByKeyAbortsOneTask) {
    everywhere([]() -> task<> {
        eddy::join_map<int, int> map;
        map.spawn(1, never());
        map.spawn(2, never());
        EXPECT_TRUE(map.abort(1));
        EXPECT_FALSE(map.abort(3));
        auto ended = co_await map.join_next();
        EXPECT_TRUE(ended->key == 1 && ended->output.error().is_cancelled());
        EXPECT_TRUE(map.contains(2));
        co_await map.shutdown();
        EXPECT_TRUE(map.is_empty());
    });
}

// ---- As streams ----

TEST(JoinSet, WorksAsStreamWithAdaptors) {
    everywhere([]() -> task<> {
        join_set<int> set;
        for (int i = 1; i <= 4; ++i) set.spawn(gives_later(i));
        EXPECT_EQ(set.size_hint(), eddy::size_bounds(4, std::nullopt));
        auto two = co_await set.by_ref().take(2).collect();
        EXPECT_EQ(two.value().size(), 2u);
        EXPECT_EQ(set.len(), 2u) << "the remaining tasks can still be joined";
        int sum = two.value().at(0) + two.value().at(1);
        auto ended = co_await std::move(set).for_each([&](int output) { sum += output; });
        EXPECT_TRUE(ended.has_value());
        EXPECT_EQ(sum, 10);
    });
}

TEST(JoinSet, FirstErrorEndsForEachAndAbortsRest) {
    everywhere([]() -> task<> {
        census living;
        join_set<int> set;
        set.spawn(holds(living.begin_life()));
        set.spawn(throws_later());
        auto ended = co_await std::move(set).for_each([](int) {});
        EXPECT_FALSE(ended.has_value());
        while (living.alive() != 0) co_await eddy::yield_now();
    });
}

TEST(JoinSet, TryNextUnwrapsOutputs) {
    everywhere([]() -> task<> {
        join_set<int> set;
        set.spawn(gives(7));
        auto seven = co_await set.try_next();
        EXPECT_EQ(seven.value(), 7);
        auto none = co_await set.try_next();
        EXPECT_EQ(none.value(), std::nullopt);
        set.spawn(throws_later());
        auto failed = co_await set.try_next();
        EXPECT_FALSE(failed.has_value());
    });
}

TEST(JoinSet, DroppedAdaptorRemovesNoTask) {
    everywhere([]() -> task<> {
        auto [tx, rx] = oneshot<int>::channel();
        join_set<int> set;
        set.spawn(after(std::move(rx)));
        auto raced = eddy::select(set.by_ref().count(), eddy::yield_now());
        auto first = co_await std::move(raced);
        EXPECT_EQ(first.index(), 1u);
        EXPECT_EQ(set.len(), 1u);
        EXPECT_TRUE(tx.send(3).has_value());
        auto output = co_await set.next();
        EXPECT_EQ(output->value(), 3);
    });
}

TEST(JoinMap, TryJoinNextReturnsEndedTasksOnly) {
    everywhere([]() -> task<> {
        eddy::join_map<int, int> map;
        EXPECT_FALSE(map.try_join_next().has_value());
        map.spawn(0, never());
        EXPECT_FALSE(map.try_join_next().has_value());
        EXPECT_EQ(map.len(), 1u);
        for (int i = 1; i < 8; ++i) map.spawn(i, gives_later(i));
        std::set<int> seen;
        while (seen.size() < 7) {
            auto ended = map.try_join_next();
            if (ended) {
                EXPECT_EQ(ended->output.value(), ended->key);
                seen.insert(ended->key);
            } else {
                co_await eddy::yield_now();
            }
        }
        EXPECT_TRUE(map.abort(0));
        auto aborted = map.try_join_next();
        while (!aborted) {
            co_await eddy::yield_now();
            aborted = map.try_join_next();
        }
        EXPECT_TRUE(aborted->key == 0 && aborted->output.error().is_cancelled());
        EXPECT_TRUE(map.is_empty());
        EXPECT_FALSE(map.try_join_next().has_value());
    });
}

TEST(JoinMap, TryJoinNextSkipsReplacedTask) {
    eddy::core core;
    eddy::join_map<int, int> map;
    core.run([](eddy::join_map<int, int>& tasks) -> task<> {
        tasks.spawn(1, gives(11));
        co_await eddy::yield_now();
        co_await eddy::yield_now();
        tasks.spawn(1, gives(22));
        co_await eddy::yield_now();
        co_await eddy::yield_now();
    }(map));
    auto ended = map.try_join_next();
    ASSERT_TRUE(ended.has_value());
    EXPECT_TRUE(ended->key == 1 && ended->output.value() == 22);
    EXPECT_FALSE(map.try_join_next().has_value());
    EXPECT_TRUE(map.is_empty());
}

TEST(JoinMap, AbortMatchingAbortsTasksOfMatchingKeys) {
    everywhere([]() -> task<> {
        eddy::join_map<std::string, int> map;
        for (const char* key : {"keep 1", "drop 1", "keep 2", "drop 2"}) {
            map.spawn(key, [](std::string own) -> task<int> {
                co_await eddy::yield_now();
                if (own.starts_with("drop")) co_await eddy::pending<void>();
                co_return 7;
            }(key));
        }
        map.abort_matching([](const std::string& key) { return key.starts_with("drop"); });
        EXPECT_EQ(map.len(), 4u);
        int joined = 0;
        for (;;) {
            auto ended = co_await map.join_next();
            if (!ended) break;
            EXPECT_EQ(ended->output.has_value(), ended->key.starts_with("keep"));
            ++joined;
        }
        EXPECT_EQ(joined, 4);
    });
}

TEST(JoinMap, KeysAreThoseOfUnjoinedTasks) {
    everywhere([]() -> task<> {
        eddy::join_map<int, int> map;
        EXPECT_TRUE(map.keys().empty());
        map.spawn(1, gives(1));
        map.spawn(2, gives_later(2));
        map.spawn(2, gives_later(3));
        std::set<int> keys(map.keys().begin(), map.keys().end());
        EXPECT_EQ(keys, (std::set<int>{1, 2}));
        while (auto ended = co_await map.join_next()) keys.erase(ended->key);
        EXPECT_TRUE(keys.empty());
        EXPECT_TRUE(map.keys().empty());
    });
}

TEST(JoinMap, ContainsTaskUntilItIsJoined) {
    everywhere([]() -> task<> {
        eddy::join_map<int, eddy::task_id> map;
        const auto own_id = []() -> task<eddy::task_id> { co_return eddy::current_task_id().value(); };
        EXPECT_FALSE(map.contains_task(1));
        map.spawn(1, own_id());
        auto ended = co_await map.join_next();
        EXPECT_FALSE(map.contains_task(ended->output.value()));
        auto ids = oneshot<eddy::task_id>::channel();
        map.spawn(1, [](oneshot<eddy::task_id>::sender tx) -> task<eddy::task_id> {
            static_cast<void>(tx.send(eddy::current_task_id().value()));
            co_await eddy::pending<void>();
            co_return 0;
        }(std::move(ids.sender)));
        auto told = co_await ids.receiver;
        const eddy::task_id id = told.value();
        EXPECT_TRUE(map.contains_task(id));
        map.spawn(1, own_id());  // replaces it
        EXPECT_FALSE(map.contains_task(id));
        co_await map.shutdown();
    });
}

TEST(JoinMap, SpawnsIntoLocalSet) {
    everywhere([]() -> task<> {
        eddy::local_set local;
        eddy::join_map<int, int> map;
        co_await local.run_until([](eddy::join_map<int, int>& tasks) -> task<> {
            tasks.spawn_local(4, gives_later(5));
            auto ended = co_await tasks.join_next();
            EXPECT_TRUE(ended->key == 4 && ended->output.value() == 5);
        }(map));
    });
}

TEST(JoinMap, ForEachReceivesKeyAndOutput) {
    static_assert(eddy::stream<eddy::join_map<std::string, int>>);
    everywhere([]() -> task<> {
        eddy::join_map<std::string, int> map;
        map.spawn("one", gives_later(1));
        map.spawn("two", gives(2));
        std::map<std::string, int> seen;
        auto each = [&](const std::string& key, std::expected<int, eddy::join_error> output) {
            seen[key] = output.value();
        };
        auto ended = co_await std::move(map).for_each(each);
        EXPECT_TRUE(ended.has_value());
        EXPECT_EQ(seen, (std::map<std::string, int>{{"one", 1}, {"two", 2}}));
    });
}

// ---- join_map: keys whose copies throw ----

/// A key without a move constructor. The copy that makes `copies_left` zero throws.
struct brittle_key {
    int number = 0;
    int* copies_left = nullptr;

    brittle_key(int n, int& copies) noexcept : number(n), copies_left(&copies) {}
    brittle_key(const brittle_key& other) : number(other.number), copies_left(other.copies_left) {
        if (--*copies_left == 0) throw std::runtime_error("a key was copied");
    }
    brittle_key& operator=(const brittle_key&) = delete;
    ~brittle_key() = default;
    friend bool operator==(const brittle_key& a, const brittle_key& b) noexcept { return a.number == b.number; }
};
struct key_hash {
    std::size_t operator()(const brittle_key& key) const noexcept { return std::hash<int>()(key.number); }
};

TEST(JoinMap, ShutdownThatIsNotAwaitedDoesNothing) {
    auto rt = support::runtime_with(1);
    rt.block_on([]() -> eddy::task<void> {
        eddy::join_map<int, int> tasks;
        tasks.spawn(1, [] { return 7; });
        {
            [[maybe_unused]] const auto never = tasks.shutdown();
        }
        EXPECT_TRUE(tasks.contains(1));
        auto ended = co_await tasks.join_next();
        EXPECT_TRUE(ended.has_value());
    }());
}

/// Joins all tasks and ignores exceptions of their keys. Returns the number of joined tasks, or -1 if there is no end.
eddy::task<int> join_remaining(eddy::join_map<brittle_key, int, key_hash>& tasks) {
    for (int joined = 0, thrown = 0; thrown < 100;) {
        try {
            const auto ended = co_await tasks.join_next();
            if (!ended) co_return joined;
            ++joined;
        } catch (const std::runtime_error&) {
            ++thrown;
        }
    }
    co_return -1;
}

TEST(JoinMap, StaysConsistentWhenAKeyCopyThrows) {
    auto rt = support::runtime_with(1);
    rt.block_on([]() -> eddy::task<void> {
        for (int throwing = 1; throwing < 20; ++throwing) {
            int copies = throwing;
            eddy::join_map<brittle_key, int, key_hash> tasks;
            int refused = 0;
            for (const int number : {1, 2, 1}) {
                try {
                    tasks.spawn(brittle_key(number, copies), [] { return 1; });
                } catch (const std::runtime_error&) {
                    ++refused;
                }
            }
            EXPECT_LE(refused, 1);
            const auto known = tasks.len();
            EXPECT_GE(known, 1u) << throwing;
            const int joined = co_await join_remaining(tasks);
            EXPECT_TRUE(joined == static_cast<int>(known) || joined + 1 == static_cast<int>(known)) << throwing;
            EXPECT_TRUE(tasks.is_empty()) << throwing;
        }
    }());
}

}  // namespace
