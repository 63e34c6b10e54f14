// SPDX-License-Identifier: MIT
// runs: tsan
#include <eddy/sync/task_tracker.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/futures/first_wake.hpp"
#include "support/polling.hpp"
#include "support/runtimes.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"

namespace {

using eddy::task;
using eddy::sync::oneshot;
using eddy::sync::task_tracker;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::everywhere;

// covers: P020
TEST(SyncTaskTracker, NewTrackerIsOpenAndEmpty) {
    task_tracker tracker;
    EXPECT_TRUE(tracker.is_empty());
    EXPECT_FALSE(tracker.is_closed());
    by_hand waits(tracker.wait());
    assert_pending(waits.poll());
    EXPECT_TRUE(tracker.close());
    EXPECT_TRUE(waits.is_woken());
    assert_ready(waits.poll());
    assert_ready(waits.poll());
    EXPECT_EQ(waits.wakers(), 0u);
    EXPECT_FALSE(tracker.close());
    assert_ready(by_hand(tracker.wait()).poll());
}

// covers: P020
TEST(SyncTaskTracker, WaitCompletesWhenAllTokensAreDropped) {
    task_tracker tracker;
    std::optional first(tracker.token());
    std::optional second(*first);
    EXPECT_EQ(tracker.len(), 2u);
    tracker.close();
    by_hand waits(tracker.wait());
    assert_pending(waits.poll());
    first.reset();
    EXPECT_FALSE(waits.is_woken());
    second.reset();
    EXPECT_TRUE(waits.is_woken());
    assert_ready(waits.poll());
}

// covers: P020
TEST(SyncTaskTracker, MovedTokenCountsOnce) {
    task_tracker tracker;
    auto token = tracker.token();
    auto moved = std::move(token);
    EXPECT_EQ(tracker.len(), 1u);
    moved = tracker.token();
    EXPECT_EQ(tracker.len(), 1u);
}

// covers: P020
TEST(SyncTaskTracker, WaitOnAnOpenTrackerStaysPending) {
    task_tracker tracker;
    by_hand waits(tracker.wait());
    {
        const auto token = tracker.token();
    }
    EXPECT_FALSE(waits.is_woken());
    assert_pending(waits.poll());
}

// covers: P020
TEST(SyncTaskTracker, ReopenMakesWaitPendingAgain) {
    task_tracker tracker;
    EXPECT_FALSE(tracker.reopen());
    const auto token = tracker.token();
    tracker.close();
    EXPECT_TRUE(tracker.reopen());
    EXPECT_FALSE(tracker.is_closed());
    by_hand waits(tracker.wait());
    assert_pending(waits.poll());
}

// covers: P020
TEST(SyncTaskTracker, WaitCompletesAfterABriefClose) {
    task_tracker tracker;
    by_hand polled(tracker.wait());
    by_hand fresh(tracker.wait());  // counts from its creation, not from its first poll
    assert_pending(polled.poll());
    tracker.close();
    tracker.reopen();
    const auto token = tracker.token();
    assert_ready(polled.poll());
    assert_ready(fresh.poll());
    by_hand later(tracker.wait());
    assert_pending(later.poll());
}

// covers: P020
TEST(SyncTaskTracker, DropOfTheLastTokenWakesAllWaiters) {
    task_tracker tracker;
    std::optional token(tracker.token());
    tracker.close();
    by_hand first(tracker.wait());
    by_hand second(tracker.wait());
    by_hand third(tracker.wait());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(second.poll());
    assert_pending(third.poll());
    second.drop();
    EXPECT_EQ(second.wakers(), 0u);
    token.reset();
    EXPECT_TRUE(first.is_woken() && third.is_woken());
    EXPECT_FALSE(second.is_woken());
}

// covers: P020
TEST(SyncTaskTracker, CopiesShareOneTracker) {
    task_tracker tracker;
    task_tracker copy = tracker;
    EXPECT_TRUE(copy == tracker);
    EXPECT_FALSE(copy == task_tracker());
    copy.close();
    EXPECT_TRUE(tracker.is_closed());
    auto waits = tracker.wait();
    tracker = task_tracker();
    copy = task_tracker();
    eddy::wait(waits);
}

// covers: P020
TEST(SyncTaskTracker, TracksAFutureUntilItEndsOrIsDropped) {
    task_tracker tracker;
    support::script s;
    {
        auto future = tracker.track_future(support::scripted(s));
        EXPECT_EQ(tracker.len(), 1u);
    }
    EXPECT_EQ(tracker.len(), 0u);
    by_hand ends(tracker.track_future(support::scripted(s)));
    assert_pending(ends.poll());
    s.now = support::plan::ready;
    static_cast<void>(assert_ready(ends.poll()));
    EXPECT_TRUE(tracker.len() == 0 && !s.alive);
    s.now = support::plan::throws;
    by_hand throws(tracker.track_future(support::scripted(s)));
    EXPECT_THROW(static_cast<void>(throws.poll()), std::runtime_error);
    EXPECT_EQ(tracker.len(), 0u);
    EXPECT_THROW(static_cast<void>(throws.poll()), eddy::misuse);
    by_hand cancelled(tracker.track_future(support::cancellable_scripted(s)));
    assert_ready(cancelled.poll_cancel());
    EXPECT_EQ(tracker.len(), 0u);
}

// covers: P020
TEST(SyncTaskTracker, SpawnTracksTasksAndBlockingWork) {
    everywhere([]() -> task<> {
        task_tracker tracker;
        std::atomic<int> ended = 0;
        for (int i = 0; i < 20; ++i) {
            tracker.spawn([&ended]() -> task<> {  // eddy-check: ignore: the tracker is awaited
                co_await eddy::yield_now();
                ++ended;
            });
            tracker.spawn([](std::atomic<int>& count) -> task<> {
                co_await eddy::yield_now();
                ++count;
            }(ended));
        }
        auto value = tracker.spawn([] { return 5; });
        auto blocking = tracker.spawn_blocking([text = std::make_unique<int>(6)] { return *text; });
        tracker.close();
        co_await tracker.wait();
        EXPECT_EQ(ended, 40);
        auto first = co_await value;
        EXPECT_EQ(first.value(), 5);
        auto second = co_await blocking;
        EXPECT_EQ(second.value(), 6);
    });
}

// covers: P020
TEST(SyncTaskTracker, SpawnsOnAHandleAndOnALocalSet) {
    const eddy::runtime other = support::runtime_with(1);
    everywhere([handle = other.handle()]() -> task<> {
        task_tracker tracker;
        auto remote = tracker.spawn_on(handle, [handle] { return eddy::handle::current() == handle; });
        eddy::local_set set;
        int ran = 0;
        co_await set.run_until([](task_tracker& all, int& count) -> task<> {
            all.spawn_local([&count] { ++count; });
            all.close();
            co_await all.wait();
        }(tracker, ran));
        EXPECT_EQ(ran, 1);
        auto output = co_await remote;
        EXPECT_TRUE(output.value());
    });
}

// covers: P020
TEST(SyncTaskTracker, AbortedTaskIsNoLongerTracked) {
    everywhere([]() -> task<> {
        task_tracker tracker;
        auto handle = tracker.spawn(eddy::pending<void>());
        auto callable = tracker.spawn([] { return eddy::pending<void>(); });
        tracker.close();
        co_await eddy::yield_now();
        EXPECT_EQ(tracker.len(), 2u);
        handle.abort();
        callable.abort();
        co_await tracker.wait();
    });
}

// covers: P020
TEST(SyncTaskTracker, TaskStateIsDestroyedBeforeWaitCompletes) {
    everywhere([]() -> task<> {
        task_tracker tracker;
        auto held = std::make_shared<int>(1);
        for (int i = 0; i < 10; ++i) {
            tracker.spawn([held]() -> task<> {
                co_await eddy::yield_now();
                co_await eddy::yield_now();
            });
        }
        tracker.close();
        co_await tracker.wait();
        EXPECT_EQ(held.use_count(), 1);
    });
}

TEST(SyncTaskTrackerDeathTest, FirstWokenTaskMayDestroyTheTracker) {
    EXPECT_COMES_BACK([] {
        auto tracker = std::make_unique<task_tracker>();
        const support::destroyed_at_first_wake<task_tracker::wait_future> waiting([&] { return tracker->wait(); },
                                                                                  [&] { tracker.reset(); });
        EXPECT_TRUE(tracker->close());
    });
}

TEST(SyncTaskTrackerDeathTest, PollOfAMovedFromWaitReturns) {
    EXPECT_COMES_BACK([] {
        const task_tracker tracker;
        auto from = tracker.wait();
        const auto to = std::move(from);
        // NOLINTNEXTLINE(bugprone-use-after-move): the moved-from future is tested
        static_cast<void>(support::poll_with(from, eddy::waker::noop()));
    });
}

// covers: P020
TEST(SyncTaskTrackerStress, WaitSeesWritesBeforeTokenDrops) {
    const auto rounds = support::rounds(5000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        task_tracker tracker;
        int written[3] = {};
        std::vector<std::thread> threads;
        for (int& mine : written) {
            threads.emplace_back([token = tracker.token(), &mine]() mutable {
                mine = 1;
                const auto gone = std::move(token);
            });
        }
        tracker.close();
        eddy::wait(tracker.wait());
        EXPECT_EQ(written[0] + written[1] + written[2], 3);
        for (auto& thread : threads) thread.join();
    }
}

}  // namespace
