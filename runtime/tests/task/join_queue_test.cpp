// SPDX-License-Identifier: MIT
// covers: I20.5.7
#include <eddy/task/join_queue.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/executors.hpp"
#include "support/runtime/joined_tasks.hpp"
#include "support/runtimes.hpp"

// The order of a join_queue. join_set_test.cpp tests the behavior that join_queue and join_set have in common.

namespace {

using eddy::join_queue;
using eddy::task;
using eddy::sync::oneshot;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::after;
using support::everywhere;
using support::gives;
using support::gives_later;
using support::never;

// covers: P019
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

// covers: P019
TEST(JoinQueue, ReusesMemoryOfJoinedTasks) {
    everywhere([]() -> task<> {
        join_queue<int> queue;
        int spawned = 0;
        for (int i = 0; i < 30; ++i) queue.spawn(gives_later(spawned++));
        // Spawns more tasks than the first memory block holds, so the queue reuses the memory of joined tasks.
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

TEST(JoinQueue, TaskThatAwaitsItselfIsMisuse) {
    eddy::core core;
    join_queue<void> queue;
    std::string text;
    const auto awaits_itself = [&]() -> task<> {
        try {
            static_cast<void>(co_await queue.join_next());
        } catch (const eddy::misuse& e) {
            text = e.what();
        }
    };
    const auto main = [&]() -> task<> {
        const auto aborts = queue.spawn(awaits_itself());
        while (!aborts.is_finished()) co_await eddy::yield_now();
    };
    core.run(main());
    EXPECT_NE(text.find("a task awaits its own join handle"), std::string::npos) << text;
}

// covers: P019
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

// covers: P019
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

// covers: P019
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

// covers: P019
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

// covers: P019
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
