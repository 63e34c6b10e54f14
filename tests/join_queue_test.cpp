// SPDX-License-Identifier: MIT
#include <eddy/task/join_queue.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/executors.hpp"
#include "support/runtimes.hpp"

namespace {

using eddy::join_queue;
using eddy::task;
using eddy::sync::oneshot;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::census;
using support::everywhere;

static_assert(eddy::stream<join_queue<int>>);
static_assert(std::is_nothrow_move_constructible_v<join_queue<int>> && !std::is_copy_constructible_v<join_queue<int>>);

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
task<int> holds(census::life) {
    co_await eddy::pending<void>();
    co_return 0;
}
task<int> never() {
    co_await eddy::pending<void>();
    co_return 0;
}

TEST(JoinQueue, JoinsInOrderOfSpawn) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        std::vector<oneshot<int>::sender> senders;
        for (int i = 0; i < 5; ++i) {
            auto ends = oneshot<int>::channel();
            senders.push_back(std::move(ends.sender));
            queue.spawn(after(std::move(ends.receiver)));
        }
        for (const int i : {3, 4, 1, 0, 2}) static_cast<void>(senders[static_cast<std::size_t>(i)].send(i));
        for (int i = 0; i < 5; ++i) {
            EXPECT_EQ(queue.len(), static_cast<std::size_t>(5 - i));
            auto output = co_await queue.join_next();
            EXPECT_EQ(output->value(), i);
        }
        auto none = co_await queue.join_next();
        EXPECT_FALSE(none.has_value());
    });
}

TEST(JoinQueue, AlternatesBetweenSpawnAndJoin) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        int spawned = 0;
        for (int i = 0; i < 30; ++i) queue.spawn(gives_later(spawned++));
        // Longer than the first memory block, so the room of joined tasks is used again.
        for (int i = 0; i < 200; ++i) {
            auto output = co_await queue.join_next();
            EXPECT_EQ(output->value(), i);
            EXPECT_EQ(queue.len(), 29u);
            queue.spawn(gives(spawned++));
        }
        co_await queue.shutdown();
        EXPECT_TRUE(queue.is_empty());
    });
}

TEST(JoinQueue, LaterTaskDoesNotWakeTheWaiter) {
    eddy::core core;
    join_queue<int> queue;
    auto first = oneshot<int>::channel();
    auto second = oneshot<int>::channel();
    core.run([](join_queue<int>& tasks, oneshot<int>::receiver a, oneshot<int>::receiver b) -> task<> {
        tasks.spawn(after(std::move(a)));
        tasks.spawn(after(std::move(b)));
        co_return;
    }(queue, std::move(first.receiver), std::move(second.receiver)));
    by_hand next(queue.join_next());
    assert_pending(next.poll());
    static_cast<void>(second.sender.send(2));
    core.turn(std::chrono::nanoseconds(0));
    EXPECT_FALSE(next.is_woken());
    EXPECT_FALSE(queue.try_join_next().has_value());
    static_cast<void>(first.sender.send(1));
    core.run_until_idle();
    EXPECT_TRUE(next.is_woken());
    EXPECT_EQ(assert_ready(next.poll())->value(), 1);
    EXPECT_EQ(queue.try_join_next()->value(), 2);  // it ended before the first task
    EXPECT_FALSE(queue.try_join_next().has_value());
}

TEST(JoinQueue, TryJoinNextKeepsTheWaker) {
    eddy::core core;
    join_queue<int> queue;
    auto ends = oneshot<int>::channel();
    core.run([](join_queue<int>& tasks, oneshot<int>::receiver rx) -> task<> {
        tasks.spawn(after(std::move(rx)));
        co_return;
    }(queue, std::move(ends.receiver)));
    by_hand next(queue.join_next_with_id());
    assert_pending(next.poll());
    EXPECT_FALSE(queue.try_join_next().has_value());
    EXPECT_FALSE(queue.try_join_next_with_id().has_value());
    static_cast<void>(ends.sender.send(1));
    core.run_until_idle();
    EXPECT_TRUE(next.is_woken());
    EXPECT_EQ(assert_ready(next.poll())->output.value(), 1);
}

TEST(JoinQueue, LastPolledJoinNextIsWoken) {
    eddy::core core;
    join_queue<int> queue;
    auto ends = oneshot<int>::channel();
    core.run([](join_queue<int>& tasks, oneshot<int>::receiver rx) -> task<> {
        tasks.spawn(after(std::move(rx)));
        co_return;
    }(queue, std::move(ends.receiver)));
    by_hand first(queue.join_next());
    assert_pending(first.poll());
    by_hand second(queue.join_next());
    assert_pending(second.poll());
    EXPECT_EQ(first.wakers(), 0u);
    static_cast<void>(ends.sender.send(1));
    core.run_until_idle();
    EXPECT_TRUE(second.is_woken());
    EXPECT_FALSE(first.is_woken());
    EXPECT_EQ(assert_ready(second.poll())->value(), 1);
    EXPECT_EQ(second.wakers(), 0u);
}

TEST(JoinQueue, ExceptionBecomesJoinError) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        queue.spawn(throws_later());
        queue.spawn(gives(2));
        auto output = co_await queue.join_next();
        EXPECT_FALSE(output->error().is_cancelled());
        EXPECT_THROW(output->error().rethrow(), std::runtime_error);
        auto next = co_await queue.join_next();
        EXPECT_EQ(next->value(), 2);
    });
}

TEST(JoinQueue, AbortHandleAbortsOneTask) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        std::vector<eddy::abort_handle> handles;
        for (int i = 0; i < 16; ++i) handles.push_back(i % 2 == 0 ? queue.spawn(never()) : queue.spawn(gives_later(i)));
        for (std::size_t i = 0; i < 16; i += 2) handles[i].abort();
        for (int i = 0; i < 16; ++i) {
            auto output = co_await queue.join_next_with_id();
            EXPECT_EQ(output->id, handles[static_cast<std::size_t>(i)].id());
            if (i % 2 == 0) {
                EXPECT_TRUE(output->output.error().is_cancelled());
            } else {
                EXPECT_EQ(output->output.value(), i);
            }
        }
        EXPECT_TRUE(queue.is_empty());
    });
}

TEST(JoinQueue, DropAbortsAllTasks) {
    everywhere([]() -> task<> {
        census living;
        {
            join_queue<int> queue;
            for (int i = 0; i < 16; ++i) queue.spawn(holds(living.begin_life()));
            co_await eddy::yield_now();
            EXPECT_EQ(living.alive(), 16);
        }
        while (living.alive() != 0) co_await eddy::yield_now();
    });
}

TEST(JoinQueue, ShutdownAwaitsAllTasks) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        census living;
        for (int i = 0; i < 5; ++i) queue.spawn(holds(living.begin_life()));
        co_await queue.shutdown();
        EXPECT_EQ(living.alive(), 0);
        EXPECT_TRUE(queue.is_empty());
    });
}

TEST(JoinQueue, AbortedTasksAreStillJoined) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        for (int i = 0; i < 5; ++i) queue.spawn(never());
        queue.abort_all();
        EXPECT_EQ(queue.len(), 5u);
        int cancelled = 0;
        for (;;) {
            auto output = co_await queue.join_next();
            if (!output) break;
            cancelled += output->error().is_cancelled() ? 1 : 0;
        }
        EXPECT_EQ(cancelled, 5);
    });
}

TEST(JoinQueue, DetachAllKeepsTasksRunning) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        auto told = oneshot<int>::channel();
        join_queue<> queue;
        queue.spawn([rx = std::move(ends.receiver), tx = std::move(told.sender)]() mutable -> task<> {
            static_cast<void>(tx.send((co_await rx).value()));
        });
        queue.detach_all();
        EXPECT_TRUE(queue.is_empty());
        static_cast<void>(ends.sender.send(5));
        auto answer = co_await told.receiver;
        EXPECT_EQ(answer.value(), 5);
    });
}

TEST(JoinQueue, DetachAllWakesPendingJoinNext) {
    eddy::core core;
    join_queue<int> queue;
    core.run([](join_queue<int>& tasks) -> task<> {
        tasks.spawn(never());
        co_return;
    }(queue));
    by_hand next(queue.join_next());
    assert_pending(next.poll());
    queue.detach_all();
    EXPECT_TRUE(next.is_woken());
    EXPECT_FALSE(assert_ready(next.poll()).has_value());
}

TEST(JoinQueue, JoinAllKeepsTheOrder) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        for (int i = 0; i < 20; ++i) queue.spawn(i % 2 == 0 ? gives_later(i) : gives(i));
        auto all = co_await std::move(queue).join_all();
        EXPECT_EQ(all.size(), 20u);
        for (int i = 0; i < 20; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)], i);
        join_queue<> nothing;
        nothing.spawn([] {});
        co_await std::move(nothing).join_all();
    });
}

TEST(JoinQueue, JoinAllThrowsFailureAndAbortsRest) {
    everywhere([]() -> task<> {
        census living;
        join_queue<int> queue;
        queue.spawn(throws_later());
        for (int i = 0; i < 4; ++i) queue.spawn(holds(living.begin_life()));
        bool thrown = false;
        try {
            co_await std::move(queue).join_all();
        } catch (const std::runtime_error&) {
            thrown = true;
        }
        EXPECT_TRUE(thrown);
        while (living.alive() != 0) co_await eddy::yield_now();
    });
}

TEST(JoinQueue, JoinNextIsCancelSafe) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        for (int i = 0; i < 50; ++i) queue.spawn(gives_later(i));
        int expected = 0;
        while (!queue.is_empty()) {
            auto first = co_await eddy::select(eddy::yield_now(), queue.join_next());
            if (first.index() == 1) {
                EXPECT_EQ(std::get<1>(first)->value(), expected++);
            }
        }
        EXPECT_EQ(expected, 50);
    });
}

TEST(JoinQueue, AcceptsTasksOfAnySource) {
    const eddy::runtime other = support::runtime_with(1);
    everywhere([handle = other.handle()]() -> task<> {
        join_queue<int> queue;
        queue.spawn([] { return 1; });
        queue.spawn(eddy::ready(2));
        queue.spawn_blocking([] { return 3; });
        queue.spawn_on(handle, gives_later(4));
        queue.insert(eddy::spawn(gives(5)));
        for (int i = 1; i <= 5; ++i) {
            auto output = co_await queue.join_next();
            EXPECT_EQ(output->value(), i);
        }
    });
}

TEST(JoinQueue, SpawnsIntoLocalSet) {
    everywhere([]() -> task<> {
        eddy::local_set local;
        join_queue<int> queue;
        co_await local.run_until([](join_queue<int>& tasks) -> task<> {
            for (int i = 0; i < 3; ++i) tasks.spawn_local(gives_later(i));
            for (int i = 0; i < 3; ++i) {
                auto output = co_await tasks.join_next();
                EXPECT_EQ(output->value(), i);
            }
        }(queue));
        EXPECT_TRUE(queue.is_empty());
    });
}

TEST(JoinQueue, MoveKeepsTasks) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        queue.spawn(gives_later(1));
        join_queue<int> moved(std::move(queue));
        join_queue<int> third;
        third.spawn(never());
        third = std::move(moved);
        EXPECT_EQ(third.len(), 1u);
        auto output = co_await third.join_next();
        EXPECT_EQ(output->value(), 1);
    });
}

TEST(JoinQueue, MayOutliveRuntime) {
    join_queue<int> queue;
    {
        const eddy::runtime rt = support::runtime_with(2);
        for (int i = 0; i < 8; ++i) queue.spawn_on(rt.handle(), never());
    }
    int cancelled = 0;
    while (auto output = eddy::wait(queue.join_next())) cancelled += output->error().is_cancelled() ? 1 : 0;
    EXPECT_EQ(cancelled, 8);
}

TEST(JoinQueue, SpawnOutsideRuntimeThrowsMisuse) {
    join_queue<int> queue;
    EXPECT_THROW(queue.spawn(never()), eddy::misuse);
    EXPECT_TRUE(queue.is_empty());
}

TEST(JoinQueue, ForEachReceivesOutputsInOrder) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        for (int i = 0; i < 5; ++i) queue.spawn(gives_later(i));
        std::vector<int> seen;
        auto each = [&](int output) { seen.push_back(output); };
        auto ended = co_await std::move(queue).for_each(each);
        EXPECT_TRUE(ended.has_value());
        EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4}));
    });
}

}  // namespace
