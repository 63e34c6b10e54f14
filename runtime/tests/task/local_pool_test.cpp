// SPDX-License-Identifier: MIT
#include <eddy/task/local_pool.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtimes.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::local_pool;
using eddy::task;
using eddy::sync::oneshot;

std::thread::id here() { return std::this_thread::get_id(); }

// covers: P027
TEST(LocalPool, RunsTaskOnAnotherThread) {
    const local_pool pool(1);
    auto value = pool.spawn_pinned([] { return here(); });
    EXPECT_NE(eddy::wait(value).value(), here());
    // The task never moves to another thread, so it may hold objects that are not thread-safe.
    auto local = pool.spawn_pinned([]() -> task<long> {
        const auto shared = std::make_shared<int>(3);
        co_await eddy::yield_now();
        co_await eddy::time::sleep(1ms);
        co_return shared.use_count() + *shared;
    });
    EXPECT_EQ(eddy::wait(local).value(), 4);
}

// covers: P027
TEST(LocalPool, TasksCanBeJoinedFromAnyExecutor) {
    const local_pool pool(2);
    support::everywhere([&pool]() -> task<> {
        eddy::join_set<int> set;
        for (int i = 0; i < 20; ++i) {
            set.insert(pool.spawn_pinned([i]() -> task<int> {
                co_await eddy::yield_now();
                co_return i;
            }));
        }
        int sum = 0;
        while (auto output = co_await set.join_next()) sum += output->value();
        EXPECT_EQ(sum, 190);
    });
}

// covers: P027
TEST(LocalPool, SpawnPicksLeastLoadedThread) {
    const local_pool pool(3);
    std::vector<oneshot<int>::sender> senders;
    std::vector<eddy::join_handle<std::thread::id>> handles;
    for (int i = 0; i < 3; ++i) {
        auto ends = oneshot<int>::channel();
        senders.push_back(std::move(ends.sender));
        handles.push_back(pool.spawn_pinned([rx = std::move(ends.receiver)]() mutable -> task<std::thread::id> {
            static_cast<void>(co_await rx);
            co_return here();
        }));
    }
    for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(pool.load(i), 1u);
    static_cast<void>(senders[1].send(1));
    std::set<std::thread::id> threads;
    const auto freed = eddy::wait(handles[1]).value();
    threads.insert(freed);
    EXPECT_TRUE(support::comes_true([&pool] { return pool.load(1) == 0; }));
    auto next = pool.spawn_pinned([] { return here(); });
    EXPECT_EQ(eddy::wait(next).value(), freed);
    static_cast<void>(senders[0].send(1));
    static_cast<void>(senders[2].send(1));
    threads.insert(eddy::wait(handles[0]).value());
    threads.insert(eddy::wait(handles[2]).value());
    EXPECT_EQ(threads.size(), 3u);
}

// covers: P027
TEST(LocalPool, SpawnByIndexPicksThatThread) {
    const local_pool pool(3);
    EXPECT_EQ(pool.size(), 3u);
    std::set<std::thread::id> threads;
    for (std::size_t i = 0; i < 3; ++i) {
        auto first = pool.spawn_pinned_by_idx([] { return here(); }, i);
        auto second = pool.spawn_pinned_by_idx([] { return here(); }, i);
        const auto thread = eddy::wait(first).value();
        EXPECT_EQ(eddy::wait(second).value(), thread);
        threads.insert(thread);
    }
    EXPECT_EQ(threads.size(), 3u);
    const auto text = support::text_of_misuse([&pool] { pool.spawn_pinned_by_idx([] {}, 3); });
    EXPECT_NE(text.find("less than size()"), std::string::npos) << text;
}

// covers: P027
TEST(LocalPool, SpawnInsideTaskStaysOnThread) {
    const local_pool pool(2);
    auto same = pool.spawn_pinned([]() -> task<bool> {
        const auto mine = here();
        auto local = eddy::spawn_local([] { return here(); });
        auto spawned = eddy::spawn([] { return here(); });
        auto first = co_await local;
        auto second = co_await spawned;
        co_return first.value() == mine&& second.value() == mine;
    });
    EXPECT_TRUE(eddy::wait(same).value());
}

TEST(LocalPool, LoadCountsTasksSpawnedByTasks) {
    const local_pool pool(1);
    auto ends = oneshot<int>::channel();
    auto outer = pool.spawn_pinned([rx = std::move(ends.receiver)]() mutable -> task<void> {
        auto local =
            eddy::spawn_local([rx = std::move(rx)]() mutable -> task<void> { static_cast<void>(co_await rx); });
        static_cast<void>(co_await local);
    });
    EXPECT_TRUE(support::comes_true([&pool] { return pool.load(0) == 2; })) << pool.load(0);
    static_cast<void>(ends.sender.send(1));
    EXPECT_TRUE(eddy::wait(outer).has_value());
    EXPECT_TRUE(support::comes_true([&pool] { return pool.load(0) == 0; })) << pool.load(0);
}

// covers: P027
TEST(LocalPool, ExceptionBecomesJoinErrorAndThreadContinues) {
    const local_pool pool(1);
    auto failed = pool.spawn_pinned([]() -> task<> {
        co_await eddy::yield_now();
        throw std::runtime_error("thrown");
    });
    EXPECT_THROW(eddy::wait(failed).error().rethrow(), std::runtime_error);
    auto not_made = pool.spawn_pinned([]() -> task<> { throw std::runtime_error("thrown before a future was made"); });
    EXPECT_THROW(eddy::wait(not_made).error().rethrow(), std::runtime_error);
    auto next = pool.spawn_pinned([] { return 1; });
    EXPECT_EQ(eddy::wait(next).value(), 1);
    EXPECT_TRUE(support::comes_true([&pool] { return pool.load(0) == 0; }));
}

/// Increments `right` if it is destroyed on the thread that constructed it, and `wrong` otherwise.
struct notes_death {
    std::atomic<int>* right;
    std::atomic<int>* wrong;
    std::thread::id owner = here();

    notes_death(std::atomic<int>& r, std::atomic<int>& w) : right(&r), wrong(&w) {}
    notes_death(notes_death&& other) noexcept
        : right(std::exchange(other.right, nullptr)), wrong(other.wrong), owner(other.owner) {}
    notes_death& operator=(notes_death&&) = delete;
    ~notes_death() {
        if (right != nullptr) ++*(here() == owner ? right : wrong);
    }
};

// covers: P027
TEST(LocalPool, AbortedTaskIsDestroyedOnItsThread) {
    std::atomic<int> right = 0;
    std::atomic<int> wrong = 0;
    const local_pool pool(1);
    support::gate begun;
    auto handle = pool.spawn_pinned([&]() -> task<> {
        const notes_death guard(right, wrong);
        begun.open();
        co_await eddy::pending<void>();
    });
    EXPECT_TRUE(begun.wait());
    handle.abort();
    EXPECT_TRUE(eddy::wait(handle).error().is_cancelled());
    EXPECT_TRUE(right == 1 && wrong == 0);
}

// covers: P027
TEST(LocalPool, DropDestroysTasksOnTheirThreads) {
    std::atomic<int> right = 0;
    std::atomic<int> wrong = 0;
    std::vector<eddy::join_handle<void>> handles;
    {
        const local_pool pool(2);
        support::tally begun;
        for (int i = 0; i < 6; ++i) {
            handles.push_back(pool.spawn_pinned([&]() -> task<> {
                const notes_death guard(right, wrong);
                begun.add();
                co_await eddy::pending<void>();
            }));
        }
        EXPECT_TRUE(begun.wait_for(6));
        // These tasks may not have started.
        for (int i = 0; i < 6; ++i) handles.push_back(pool.spawn_pinned(eddy::pending<void>()));
    }
    EXPECT_TRUE(right == 6 && wrong == 0);
    for (auto& handle : handles) EXPECT_TRUE(eddy::wait(handle).error().is_cancelled());
}

// covers: P027
TEST(LocalPool, ZeroThreadsAreRefused) {
    EXPECT_THROW(local_pool(0), eddy::misuse);
    EXPECT_EQ(local_pool::make(0).error(), std::errc::invalid_argument);
    auto made = local_pool::make(2);
    local_pool moved(*std::move(made));
    moved = local_pool(1);
    EXPECT_EQ(moved.size(), 1u);
}

// covers: P027
TEST(LocalPoolStress, ManyThreadsSpawnAndAbort) {
    const auto rounds = support::rounds(200);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::atomic<int> ran = 0;
        {
            const local_pool pool(2);
            std::vector<std::thread> threads;
            for (int t = 0; t < 3; ++t) {
                threads.emplace_back([&pool, &ran] {
                    std::vector<eddy::join_handle<int>> handles;
                    for (int i = 0; i < 100; ++i) {
                        handles.push_back(pool.spawn_pinned([&ran]() -> task<int> {
                            co_await eddy::yield_now();
                            ++ran;
                            co_return 1;
                        }));
                        if (i % 5 == 0) handles.back().abort();
                    }
                    int ended = 0;
                    for (auto& handle : handles) {
                        auto output = eddy::wait(handle);
                        ended += output ? *output : output.error().is_cancelled() ? 1 : 0;
                    }
                    EXPECT_EQ(ended, 100);
                });
            }
            for (auto& thread : threads) thread.join();
        }
        EXPECT_GE(ran, 240);
    }
}

}  // namespace
