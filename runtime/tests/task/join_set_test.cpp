// SPDX-License-Identifier: MIT
#include <eddy/task/join_set.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream/select_loop.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/join_queue.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/executors.hpp"
#include "support/runtime/joined_tasks.hpp"
#include "support/runtimes.hpp"
#include "support/stress.hpp"

// Most tests run with a join_set and with a join_queue. join_queue_test.cpp tests the order of a join_queue.

namespace {

using eddy::join_set;
using eddy::task;
using eddy::sync::oneshot;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::after;
using support::census;
using support::everywhere;
using support::gives;
using support::gives_later;
using support::holds;
using support::never;
using support::throws_later;

struct set_kind {
    template <class T>
    using of = join_set<T>;
    static constexpr bool is_in_order = false;
};
struct queue_kind {
    template <class T>
    using of = eddy::join_queue<T>;
    static constexpr bool is_in_order = true;
};
template <class Kind, class T>
using tasks_of = typename Kind::template of<T>;

template <class Kind>
class JoinSets : public testing::Test {
    using ints = tasks_of<Kind, int>;
    static_assert(eddy::stream<ints>);
    static_assert(std::is_nothrow_move_constructible_v<ints> && !std::is_copy_constructible_v<ints>);
};
struct names_of_kinds {
    template <class Kind>
    static std::string GetName(int) {
        return Kind::is_in_order ? "join_queue" : "join_set";
    }
};
using kinds = testing::Types<set_kind, queue_kind>;
TYPED_TEST_SUITE(JoinSets, kinds, names_of_kinds);

task<> passes_on(oneshot<int>::receiver rx, oneshot<int>::sender tx) {
    auto value = co_await rx;
    static_cast<void>(tx.send(value.value()));
}

// covers: P019
TYPED_TEST(JoinSets, JoinNextReturnsEachOutputOnce) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
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

// covers: P019
TYPED_TEST(JoinSets, SelectLoopJoinsTasksThatAreSpawnedLater) {
    tasks_of<TypeParam, int> set;
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

// covers: P019
TYPED_TEST(JoinSets, AcceptsCallablesFuturesAndVoid) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
        auto text = std::make_unique<std::string>("four");
        set.spawn([text = std::move(text)] { return static_cast<int>(text->size()); });
        set.spawn([] { return gives_later(5); });
        set.spawn(eddy::ready(6));
        set.spawn_blocking([] { return 7; });
        int sum = 0;
        while (auto output = co_await set.join_next()) sum += output->value();
        EXPECT_EQ(sum, 22);
        tasks_of<TypeParam, void> nothing;
        nothing.spawn([] {});
        auto ended = co_await nothing.join_next();
        EXPECT_TRUE(ended.has_value() && ended->has_value());
    });
}

// covers: P019
TYPED_TEST(JoinSets, AlternatesBetweenSpawnAndJoin) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
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

// covers: P016 P019
TYPED_TEST(JoinSets, ExceptionBecomesJoinError) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
        set.spawn(throws_later());
        auto output = co_await set.join_next();
        EXPECT_FALSE(output->error().is_cancelled());
        EXPECT_THROW(output->error().rethrow(), std::runtime_error);
        set.spawn(throws_later());
        set.spawn(gives(2));
        int failed = 0;
        while (auto each = co_await set.join_next()) {
            if (each->has_value()) {
                EXPECT_EQ(each->value(), 2);
            } else {
                ++failed;
            }
        }
        EXPECT_EQ(failed, 1);
    });
}

// covers: P019
TYPED_TEST(JoinSets, DropAbortsAllTasks) {
    everywhere([]() -> task<> {
        census living;
        {
            tasks_of<TypeParam, int> set;
            for (int i = 0; i < 16; ++i) set.spawn(holds(living.begin_life()));
            co_await eddy::yield_now();
            EXPECT_EQ(living.alive(), 16);
        }
        while (living.alive() != 0) co_await eddy::yield_now();
    });
}

// covers: P019
TYPED_TEST(JoinSets, AbortedTasksCanStillBeJoined) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
        census living;
        set.spawn(gives(7));
        for (int i = 0; i < 5; ++i) set.spawn(holds(living.begin_life()));
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

// covers: P019
TYPED_TEST(JoinSets, ShutdownAwaitsAllTasks) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
        census living;
        for (int i = 0; i < 5; ++i) set.spawn(holds(living.begin_life()));
        co_await set.shutdown();
        EXPECT_EQ(living.alive(), 0);
        EXPECT_TRUE(set.is_empty());
    });
}

// covers: P019
TYPED_TEST(JoinSets, DetachAllKeepsTasksRunning) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        auto told = oneshot<int>::channel();
        {
            tasks_of<TypeParam, void> set;
            set.spawn(passes_on(std::move(ends.receiver), std::move(told.sender)));
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

// covers: P019
TYPED_TEST(JoinSets, JoinAllReturnsAllOutputs) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
        for (int i = 0; i < 20; ++i) set.spawn(gives_later(i));
        auto all = co_await std::move(set).join_all();
        std::sort(all.begin(), all.end());
        EXPECT_EQ(all.size(), 20u);
        EXPECT_TRUE(all.front() == 0 && all.back() == 19);
        tasks_of<TypeParam, void> nothing;
        nothing.spawn([] {});
        co_await std::move(nothing).join_all();
    });
}

// covers: P019
TYPED_TEST(JoinSets, JoinAllThrowsFirstFailureAndAbortsRest) {
    everywhere([]() -> task<> {
        census living;
        tasks_of<TypeParam, int> set;
        set.spawn(throws_later());
        for (int i = 0; i < 4; ++i) set.spawn(holds(living.begin_life()));
        bool thrown = false;
        try {
            co_await std::move(set).join_all();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        while (living.alive() != 0) co_await eddy::yield_now();
        tasks_of<TypeParam, void> without_outputs;
        without_outputs.spawn([] { throw std::runtime_error("on purpose"); });
        thrown = false;
        try {
            co_await std::move(without_outputs).join_all();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
    });
}

// covers: P019
TYPED_TEST(JoinSets, JoinNextIsCancelSafe) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
        for (int i = 0; i < 50; ++i) set.spawn(gives_later(i));
        std::vector<int> seen;
        while (!set.is_empty()) {
            // Each round drops one of the two futures. A dropped join_next() has usually started to wait.
            auto first = co_await eddy::select(eddy::yield_now(), set.join_next());
            if (first.index() == 1) seen.push_back(std::get<1>(first)->value());
        }
        if (!TypeParam::is_in_order) std::sort(seen.begin(), seen.end());
        std::vector<int> all(50);
        std::iota(all.begin(), all.end(), 0);
        EXPECT_EQ(seen, all);
    });
}

// covers: P019
TYPED_TEST(JoinSets, UnpolledJoinNextRemovesNoTask) {
    eddy::core core;
    tasks_of<TypeParam, int> set;
    core.run([](tasks_of<TypeParam, int>& tasks) -> task<> {
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

/// Spawns a task into `set` on `core`. The task waits for a value of the returned sender.
template <class Set>
oneshot<int>::sender spawn_waiter(eddy::core& core, Set& set) {
    auto ends = oneshot<int>::channel();
    core.run([](Set& tasks, oneshot<int>::receiver rx) -> task<> {
        tasks.spawn(after(std::move(rx)));
        co_return;
    }(set, std::move(ends.receiver)));
    return std::move(ends.sender);
}

// covers: P019
TYPED_TEST(JoinSets, WakesLastPolledJoinNext) {
    eddy::core core;
    tasks_of<TypeParam, int> set;
    auto end = spawn_waiter(core, set);
    by_hand first(set.join_next());
    assert_pending(first.poll());
    by_hand second(set.join_next());
    assert_pending(second.poll());
    EXPECT_EQ(first.wakers(), 0u);
    static_cast<void>(end.send(1));
    core.run_until_idle();
    EXPECT_TRUE(second.is_woken());
    EXPECT_FALSE(first.is_woken());
    // The task that has ended holds no waker. A join_queue keeps its own copy until the next poll.
    EXPECT_EQ(second.wakers(), TypeParam::is_in_order ? 1u : 0u);
    EXPECT_EQ(assert_ready(second.poll())->value(), 1);
    EXPECT_EQ(second.wakers(), 0u);
    EXPECT_FALSE(assert_ready(first.poll()).has_value());
}

// covers: P019
TYPED_TEST(JoinSets, TryJoinNextKeepsTheWaker) {
    eddy::core core;
    tasks_of<TypeParam, int> set;
    auto end = spawn_waiter(core, set);
    by_hand next(set.join_next_with_id());
    assert_pending(next.poll());
    EXPECT_FALSE(set.try_join_next().has_value());
    EXPECT_FALSE(set.try_join_next_with_id().has_value());
    static_cast<void>(end.send(1));
    core.run_until_idle();
    EXPECT_TRUE(next.is_woken());
    EXPECT_EQ(assert_ready(next.poll())->output.value(), 1);
}

// covers: P019
TYPED_TEST(JoinSets, DetachAllWakesPendingJoinNext) {
    eddy::core core;
    tasks_of<TypeParam, int> set;
    core.run([](tasks_of<TypeParam, int>& tasks) -> task<> {
        tasks.spawn(never());
        co_return;
    }(set));
    by_hand next(set.join_next());
    assert_pending(next.poll());
    set.detach_all();
    EXPECT_TRUE(next.is_woken());
    EXPECT_FALSE(assert_ready(next.poll()).has_value());
}

// covers: P019
TYPED_TEST(JoinSets, MoveKeepsTasks) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
        set.spawn(gives_later(1));
        tasks_of<TypeParam, int> moved(std::move(set));
        tasks_of<TypeParam, int> third;
        third.spawn(never());
        third = std::move(moved);
        EXPECT_EQ(third.len(), 1u);
        auto output = co_await third.join_next();
        EXPECT_EQ(output->value(), 1);
    });
}

// covers: P019
TYPED_TEST(JoinSets, InsertAcceptsFinishedTask) {
    everywhere([]() -> task<> {
        auto handle = eddy::spawn(gives(9));
        while (!handle.is_finished()) co_await eddy::yield_now();
        tasks_of<TypeParam, int> set;
        set.insert(std::move(handle));
        auto output = co_await set.join_next();
        EXPECT_EQ(output->value(), 9);
    });
}

// covers: P019
TYPED_TEST(JoinSets, SpawnsOnAnotherRuntime) {
    const eddy::runtime other = support::runtime_with(2);
    everywhere([handle = other.handle()]() -> task<> {
        tasks_of<TypeParam, bool> set;
        for (int i = 0; i < 10; ++i) {
            set.spawn_on(handle, [handle] { return eddy::handle::current() == handle; });
        }
        while (auto output = co_await set.join_next()) EXPECT_TRUE(output->value());
    });
}

// covers: P019
TYPED_TEST(JoinSets, SpawnsIntoLocalSet) {
    everywhere([]() -> task<> {
        eddy::local_set local;
        tasks_of<TypeParam, int> set;
        int count = 0;
        co_await local.run_until([](tasks_of<TypeParam, int>& tasks, int& shared) -> task<> {
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

// covers: P019
TYPED_TEST(JoinSets, MayOutliveRuntime) {
    tasks_of<TypeParam, int> set;
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

// covers: P019
TYPED_TEST(JoinSets, SpawnOnEndedRuntimeIsCancelled) {
    auto rt = support::runtime_with(1);
    const eddy::handle handle = rt.handle();
    std::move(rt).shutdown_now().wait();
    tasks_of<TypeParam, int> set;
    set.spawn_on(handle, never());
    auto output = set.try_join_next();
    EXPECT_TRUE(output && output->error().is_cancelled());
}

// covers: P019
TYPED_TEST(JoinSets, SpawnOutsideRuntimeThrowsMisuse) {
    tasks_of<TypeParam, int> set;
    EXPECT_THROW(set.spawn(never()), eddy::misuse);
    EXPECT_TRUE(set.is_empty());
    EXPECT_FALSE(eddy::wait(set.join_next()).has_value());
}

// covers: P019 R045
TYPED_TEST(JoinSets, ReadyOutputsDoNotStarveOtherTasks) {
    eddy::core core;
    int polls = 0;
    core.run([](int& seen) -> task<> {
        tasks_of<TypeParam, int> set;
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

// ---- As streams ----

// covers: P097
TYPED_TEST(JoinSets, WorksAsStreamWithAdaptors) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
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

// covers: P097
TYPED_TEST(JoinSets, FirstErrorEndsForEachAndAbortsRest) {
    everywhere([]() -> task<> {
        census living;
        tasks_of<TypeParam, int> set;
        set.spawn(throws_later());
        set.spawn(holds(living.begin_life()));
        auto ended = co_await std::move(set).for_each([](int) {});
        EXPECT_FALSE(ended.has_value());
        while (living.alive() != 0) co_await eddy::yield_now();
    });
}

// covers: P097
TYPED_TEST(JoinSets, TryNextUnwrapsOutputs) {
    everywhere([]() -> task<> {
        tasks_of<TypeParam, int> set;
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

// covers: P097
TYPED_TEST(JoinSets, DroppedAdaptorRemovesNoTask) {
    everywhere([]() -> task<> {
        auto [tx, rx] = oneshot<int>::channel();
        tasks_of<TypeParam, int> set;
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

// ---- Only a join_set ----

// covers: P019
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

// covers: P019
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

// ---- Races ----

template <class Kind>
class JoinSetsStress : public testing::Test {};
TYPED_TEST_SUITE(JoinSetsStress, kinds, names_of_kinds);

// covers: P019
TYPED_TEST(JoinSetsStress, SpawnJoinAndDropOnFourWorkers) {
    const auto rounds = support::rounds(500);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const eddy::runtime rt = support::runtime_with(4);
        const int sum = rt.block_on([]() -> task<int> {
            tasks_of<TypeParam, int> set;
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
            tasks_of<TypeParam, int> dropped;
            for (int i = 0; i < 50; ++i) dropped.spawn(gives_later(1));
            dropped = tasks_of<TypeParam, int>();
            while (auto output = co_await set.join_next()) total += output->value();
            co_return total;
        }());
        EXPECT_EQ(sum, 500);
    }
}

}  // namespace
