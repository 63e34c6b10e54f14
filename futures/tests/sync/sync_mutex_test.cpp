// SPDX-License-Identifier: MIT
// runs: tsan
#include <eddy/sync/mutex.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/runtimes.hpp"

namespace {

using eddy::sync::mutex;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

struct person {
    std::string name;
    int age = 0;
};

// covers: P084
TEST(SyncMutex, FreeMutexIsLockedImmediately) {
    mutex<int> m(7);
    by_hand locks(m.lock());
    auto guard = assert_ready(locks.poll());
    EXPECT_EQ(*guard, 7);
    *guard = 8;
    EXPECT_FALSE(m.try_lock().has_value());
    guard.unlock();
    EXPECT_FALSE(guard.owns_lock());
    guard.unlock();
    EXPECT_EQ(**m.try_lock(), 8);
    EXPECT_THROW(static_cast<void>(locks.poll()), eddy::misuse);
}

// covers: P084 R081
TEST(SyncMutex, UnlockHandsOverInFifoOrder) {
    mutex m;
    by_hand owner(m.lock());
    by_hand first(m.lock());
    by_hand second(m.lock());
    auto guard = assert_ready(owner.poll());
    assert_pending(first.poll());
    assert_pending(second.poll());
    guard.unlock();
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 0);
    EXPECT_FALSE(m.try_lock().has_value());  // the first waiter already owns it
    by_hand late(m.lock());
    assert_pending(late.poll());
    guard = assert_ready(first.poll());
    EXPECT_EQ(second.wakes(), 0u);
    guard.unlock();
    EXPECT_TRUE(second.wakes() == 1 && late.wakes() == 0);
}

// covers: R063
TEST(SyncMutex, DroppedGrantedLockGoesToTheNextWaiter) {
    mutex<int> m;
    auto guard = m.try_lock();
    by_hand first(m.lock());
    by_hand second(m.lock());
    assert_pending(first.poll());
    assert_pending(second.poll());
    guard.reset();
    ASSERT_TRUE(first.is_woken());
    first.drop();
    EXPECT_TRUE(second.is_woken());
    assert_ready(second.poll()).unlock();
    EXPECT_TRUE(m.try_lock().has_value());
}

// covers: R063
TEST(SyncMutex, DroppedWaiterIsSkipped) {
    mutex<int> m;
    auto guard = m.try_lock();
    by_hand first(m.lock());
    by_hand second(m.lock());
    assert_pending(first.poll());
    assert_pending(second.poll());
    first.drop();
    EXPECT_EQ(first.wakers(), 0u);
    guard.reset();
    EXPECT_EQ(first.wakes(), 0u);
    EXPECT_TRUE(second.is_woken());
    second.drop();
    EXPECT_TRUE(m.try_lock().has_value());
}

// covers: P084
TEST(SyncMutex, ExceptionUnlocksAndDoesNotPoison) {
    mutex<int> m(1);
    auto fails = [&]() -> eddy::task<void> {
        auto guard = co_await m.lock();
        *guard = 2;
        throw std::runtime_error("half way");
    };
    EXPECT_THROW(eddy::wait(fails()), std::runtime_error);
    EXPECT_EQ(**m.try_lock(), 2);
}

// covers: P084
TEST(SyncMutex, MovedGuardUnlocksOnce) {
    mutex<int> m;
    mutex<int> other;
    auto guard = std::move(*m.try_lock());
    auto moved = std::move(guard);
    EXPECT_FALSE(guard.owns_lock());  // NOLINT(bugprone-use-after-move): the moved-from guard is tested
    EXPECT_FALSE(m.try_lock().has_value());
    moved = *other.try_lock();  // unlocks its former mutex
    EXPECT_TRUE(m.try_lock().has_value());
    EXPECT_FALSE(other.try_lock().has_value());
}

// covers: P084
TEST(SyncMutex, MappedGuardAccessesAPartAndKeepsTheLock) {
    mutex<person> m(person{"Ada", 36});
    {
        auto name = m.blocking_lock().map(&person::name);
        *name += " Lovelace";
        EXPECT_FALSE(m.try_lock().has_value());
        auto initial = std::move(name).map([](std::string& all) -> char& { return all[0]; });
        *initial = 'a';
        EXPECT_FALSE(m.try_lock().has_value());
    }
    EXPECT_EQ(m.try_lock().value()->name, "ada Lovelace");
}

// covers: P084
TEST(SyncMutex, TryMapReturnsTheGuardOnNull) {
    mutex<std::vector<int>> m(std::vector<int>{1, 2});
    const auto at = [](std::size_t index) {
        return [index](std::vector<int>& all) { return index < all.size() ? &all[index] : nullptr; };
    };
    auto none = m.blocking_lock().try_map(at(2));
    ASSERT_FALSE(none.has_value());
    EXPECT_EQ(none.error()->size(), 2u);
    auto second = std::move(none.error()).try_map(at(1));
    EXPECT_EQ(**second, 2);
    EXPECT_FALSE(m.try_lock().has_value());
}

// covers: P084
TEST(SyncMutex, ThrowingMapLeavesTheGuardLocked) {
    mutex<int> m(1);
    auto guard = m.blocking_lock();
    const auto fails = [](int&) -> int& { throw std::runtime_error("no part"); };
    EXPECT_THROW(static_cast<void>(std::move(guard).map(fails)), std::runtime_error);
    EXPECT_TRUE(guard.owns_lock());  // NOLINT(bugprone-use-after-move): the guard after a failed map is tested
    guard.unlock();
    EXPECT_TRUE(m.try_lock().has_value());
}

// covers: P084
TEST(SyncMutex, OwnedGuardsKeepTheMutexAlive) {
    auto shared = std::make_shared<mutex<std::string>>("text");
    const std::weak_ptr seen = shared;
    {
        auto guard = mutex<std::string>::blocking_lock_owned(shared);
        by_hand waits(mutex<std::string>::lock_owned(shared));
        assert_pending(waits.poll());
        EXPECT_FALSE(mutex<std::string>::try_lock_owned(shared).has_value());
        shared.reset();
        auto size = std::move(guard).map([](std::string& text) -> char& { return text[0]; });
        EXPECT_EQ(*size, 't');
        size.unlock();
        EXPECT_EQ(*assert_ready(waits.poll()), "text");
    }
    EXPECT_TRUE(seen.expired());
    EXPECT_THROW(static_cast<void>(mutex<int>::lock_owned(nullptr)), eddy::misuse);
}

// covers: P084
TEST(SyncMutex, GetMutAndIntoInnerThrowWhileLocked) {
    mutex<std::unique_ptr<int>> m(std::in_place, new int(5));
    *m.get_mut() = 6;
    auto guard = m.try_lock();
    EXPECT_THROW(static_cast<void>(m.get_mut()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(std::move(m).into_inner()), eddy::misuse);
    guard.reset();
    EXPECT_EQ(*std::move(m).into_inner(), 6);
}

// covers: P084
TEST(SyncMutex, BlockingLockThrowsOnAnEventLoop) {
    mutex<int> m;
    auto blocks = [&]() -> eddy::task<void> {
        static_cast<void>(m.blocking_lock());
        co_return;
    };
    eddy::core core;
    EXPECT_THROW(core.run(blocks()), eddy::nested_runtime);
    EXPECT_TRUE(m.try_lock().has_value());
}

// covers: P084
TEST(SyncMutex, PollChargesCoopBudgetOnlyWhenReady) {
    mutex m;
    by_hand locks(m.lock());
    assert_pending(locks.poll(0));
    EXPECT_TRUE(locks.is_woken());
    const auto guard = assert_ready(locks.poll(1));
    auto waits = m.lock();
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    assert_pending(waits.poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
}

// covers: P084
TEST(SyncMutexDeathTest, UseOfAnEmptyGuardTerminates) {
    EXPECT_DEATH(
        {
            mutex<int> m(1);
            auto guard = std::move(*m.try_lock());
            const auto moved = std::move(guard);
            ++*guard;  // NOLINT(bugprone-use-after-move): the use of an empty guard is tested
        },
        "a guard that was unlocked or moved from");
    EXPECT_DEATH(
        {
            mutex<std::string> m("1");
            auto guard = std::move(*m.try_lock());
            guard.unlock();
            guard->clear();
        },
        "a guard that was unlocked or moved from");
}

// covers: P084
TEST(SyncMutexDeathTest, DestructionWhileLockedTerminates) {
    EXPECT_DEATH(
        {
            auto m = std::make_unique<mutex<int>>(1);
            const auto guard = m->try_lock();
            m.reset();
        },
        "a sync::mutex was destroyed while it is locked: keep it until its guards");
    // unlock() has given the mutex to the waiter, which is not polled again.
    EXPECT_DEATH(
        {
            auto m = std::make_unique<mutex<>>();
            auto guard = m->try_lock();
            by_hand waits(m->lock());
            static_cast<void>(waits.poll());
            guard->unlock();
            m.reset();
        },
        "a sync::mutex was destroyed while it is locked");
    auto shared = std::make_shared<mutex<>>();
    auto guard = mutex<>::try_lock_owned(shared);
    const std::weak_ptr<mutex<>> watched = shared;
    shared.reset();
    guard.reset();
    EXPECT_TRUE(watched.expired());
}

// covers: P084
TEST(SyncMutexDeathTest, MoveOfAPolledLockFutureTerminates) {
    EXPECT_DEATH(
        {
            mutex m;
            const auto guard = m.try_lock();
            auto waits = m.lock();
            const auto noop = eddy::waker::noop();
            eddy::context cx(noop);
            static_cast<void>(waits.poll(cx));
            auto moved = std::move(waits);
        },
        "moved after its first poll");
}

// covers: P084
TEST(SyncMutex, LockIsExclusiveAcrossYields) {
    support::everywhere([]() -> eddy::task<void> {
        mutex<int> m;
        int inside = 0;
        auto work = [&]() -> eddy::task<void> {
            for (int i = 0; i < 100; ++i) {
                auto guard = co_await m.lock();
                EXPECT_EQ(++inside, 1);
                ++*guard;
                co_await eddy::yield_now();
                --inside;
            }
        };
        const auto all = [&]() { return eddy::join(work(), work(), work(), work()); };
        co_await all();
        EXPECT_EQ(m.get_mut(), 400);
    });
}

TEST(SyncMutex, GuardSurvivesSelfMove) {
    mutex<int> lock(1);
    auto guard = lock.try_lock();
    auto& same = *guard;
    *guard = std::move(same);
    EXPECT_TRUE(guard->owns_lock());
    EXPECT_FALSE(lock.try_lock().has_value());
    guard.reset();
    EXPECT_TRUE(lock.try_lock().has_value());
}

}  // namespace
