// SPDX-License-Identifier: MIT
#include <eddy/sync/rwlock.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/runtime/wait.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/futures/first_wake.hpp"
#include "support/polling.hpp"

namespace {

using eddy::sync::rwlock;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

struct person {
    std::string name;
    int age = 0;
};

// covers: P085
TEST(SyncRwlock, AllowsManyReadersOrOneWriter) {
    rwlock<int> lock(5);
    auto one = lock.try_read();
    auto two = lock.try_read();
    EXPECT_EQ(**one + **two, 10);
    EXPECT_FALSE(lock.try_write().has_value());
    one.reset();
    two.reset();
    auto writer = lock.try_write();
    **writer = 6;
    EXPECT_FALSE(lock.try_read().has_value());
    EXPECT_FALSE(lock.try_write().has_value());
    writer.reset();
    EXPECT_EQ(**lock.try_read(), 6);
    static_assert(std::is_same_v<decltype(*std::declval<rwlock<int>::read_guard>()), const int&>);
}

// covers: P085
TEST(SyncRwlock, LaterReadersDoNotOvertakeAWaitingWriter) {
    rwlock<int> lock;
    auto reader = lock.try_read();
    by_hand writes(lock.write());
    by_hand reads(lock.read());
    assert_pending(writes.poll());
    assert_pending(reads.poll());
    EXPECT_FALSE(lock.try_read().has_value());
    reader.reset();
    EXPECT_TRUE(writes.is_woken());
    EXPECT_FALSE(reads.is_woken());
    assert_ready(writes.poll()).unlock();
    EXPECT_TRUE(reads.is_woken());
}

// covers: P085
TEST(SyncRwlock, ConsecutiveReadersAreAdmittedTogether) {
    rwlock<int> lock;
    auto writer = lock.try_write();
    by_hand first(lock.read());
    by_hand second(lock.read());
    by_hand writes(lock.write());
    by_hand last(lock.read());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(writes.poll());
    assert_pending(last.poll());
    writer.reset();
    EXPECT_TRUE(first.is_woken() && second.is_woken());
    EXPECT_FALSE(writes.is_woken() || last.is_woken());
    auto a = assert_ready(first.poll());
    auto b = assert_ready(second.poll());
    a.unlock();
    EXPECT_FALSE(writes.is_woken());
    b.unlock();
    EXPECT_TRUE(writes.is_woken());
    EXPECT_FALSE(last.is_woken());
}

// covers: R063
TEST(SyncRwlock, DroppedGrantedLockGoesToTheNextWaiters) {
    rwlock<int> lock;
    auto writer = lock.try_write();
    by_hand granted(lock.write());
    by_hand first(lock.read());
    by_hand second(lock.read());
    assert_pending(granted.poll());
    assert_pending(first.poll());
    assert_pending(second.poll());
    writer.reset();
    ASSERT_TRUE(granted.is_woken());
    granted.drop();
    EXPECT_TRUE(first.is_woken() && second.is_woken());
    first.drop();
    second.drop();
    EXPECT_TRUE(lock.try_write().has_value());
}

// covers: P085
TEST(SyncRwlock, DroppedWaitingWriterLetsReadersIn) {
    rwlock<int> lock;
    const auto reader = lock.try_read();
    by_hand writes(lock.write());
    by_hand reads(lock.read());
    assert_pending(writes.poll());
    assert_pending(reads.poll());
    writes.drop();
    EXPECT_TRUE(reads.is_woken());
    EXPECT_EQ(*assert_ready(reads.poll()), 0);
}

// covers: P085
TEST(SyncRwlock, DowngradeAdmitsReadersBeforeAWaitingWriter) {
    rwlock<int> lock(1);
    auto writer = lock.try_write();
    by_hand reads(lock.read());
    by_hand writes(lock.write());
    assert_pending(reads.poll());
    assert_pending(writes.poll());
    **writer = 2;
    auto reader = std::move(*writer).downgrade();
    writer.reset();
    EXPECT_TRUE(reads.is_woken());
    EXPECT_FALSE(writes.is_woken());
    EXPECT_EQ(*reader + *assert_ready(reads.poll()), 4);
    reader.unlock();
    EXPECT_TRUE(writes.is_woken());
}

// covers: P085
TEST(SyncRwlock, NumberOfReadersIsLimited) {
    rwlock<int> lock(0, 2);
    EXPECT_EQ(lock.max_readers(), 2u);
    auto one = lock.try_read();
    auto two = lock.try_read();
    EXPECT_FALSE(lock.try_read().has_value());
    by_hand third(lock.read());
    assert_pending(third.poll());
    one.reset();
    EXPECT_TRUE(third.is_woken());
    third.drop();
    two.reset();
    EXPECT_TRUE(lock.try_write().has_value());
    EXPECT_THROW(rwlock<int>(0, 0), eddy::misuse);
    EXPECT_EQ(rwlock<int>().max_readers(), 0x1FFF'FFFFu);
}

// covers: P085
TEST(SyncRwlock, MappedGuardsKeepTheLock) {
    rwlock<person> lock(person{"Ada", 36});
    {
        auto name = lock.blocking_write().map(&person::name);
        *name = "Grace";
        EXPECT_FALSE(lock.try_read().has_value());
        auto seen = std::move(name).downgrade();
        EXPECT_EQ(*seen, "Grace");
        EXPECT_TRUE(lock.try_read().has_value());
        EXPECT_FALSE(lock.try_write().has_value());
    }
    {
        auto age = lock.blocking_read().map(&person::age);
        static_assert(std::is_same_v<decltype(*age), const int&>);
        EXPECT_EQ(*age, 36);
        EXPECT_FALSE(lock.try_write().has_value());
    }
    EXPECT_TRUE(lock.try_write().has_value());
}

// covers: P085
TEST(SyncRwlock, TryMapReturnsTheGuardOnNull) {
    rwlock<std::optional<int>> lock(std::nullopt);
    auto none = lock.blocking_read().try_map([](const std::optional<int>& o) { return o ? &*o : nullptr; });
    ASSERT_FALSE(none.has_value());
    EXPECT_FALSE(lock.try_write().has_value());
    none.error().unlock();
    lock.get_mut() = 3;
    auto some = lock.blocking_write().try_map([](std::optional<int>& o) { return o ? &*o : nullptr; });
    EXPECT_EQ(**some, 3);
    EXPECT_FALSE(lock.try_read().has_value());
}

// covers: P085
TEST(SyncRwlock, OwnedGuardsKeepTheLockAlive) {
    using texts = rwlock<std::string>;
    auto shared = std::make_shared<texts>("text");
    const std::weak_ptr seen = shared;
    {
        by_hand writes(texts::write_owned(shared));
        auto writer = assert_ready(writes.poll());
        EXPECT_FALSE(texts::try_read_owned(shared).has_value());
        EXPECT_FALSE(texts::try_write_owned(shared).has_value());
        auto reader = std::move(writer).downgrade();
        by_hand reads(texts::read_owned(shared));
        auto other = assert_ready(reads.poll());
        shared.reset();
        EXPECT_EQ(*reader, *other);
    }
    EXPECT_TRUE(seen.expired());
    EXPECT_THROW(static_cast<void>(texts::read_owned(nullptr)), eddy::misuse);
}

// covers: P085 I20.5.8
TEST(SyncRwlock, DowngradeMapNarrowsToAReadGuard) {
    rwlock<person> lock(person{"Ada", 36});
    auto writer = lock.try_write();
    by_hand reads(lock.read());
    assert_pending(reads.poll());
    auto age = std::move(*writer).downgrade_map([](const person& whole) -> const int& { return whole.age; });
    static_assert(std::is_same_v<decltype(*age), const int&>);
    EXPECT_FALSE(writer->owns_lock());
    EXPECT_EQ(*age, 36);
    EXPECT_TRUE(reads.is_woken());
    EXPECT_FALSE(lock.try_write().has_value());
    reads.drop();
    age.unlock();
    auto name = lock.blocking_write().downgrade_map(&person::name);
    static_assert(std::is_same_v<decltype(*name), const std::string&>);
    EXPECT_EQ(*name, "Ada");
    EXPECT_TRUE(lock.try_read().has_value());
}

// covers: P085 I20.5.8
TEST(SyncRwlock, DowngradeMapThatThrowsKeepsTheWriteLock) {
    rwlock<person> lock;
    auto writer = lock.try_write();
    const auto fails = [](const person&) -> const int& { throw std::runtime_error("no part"); };
    EXPECT_THROW(static_cast<void>(std::move(*writer).downgrade_map(fails)), std::runtime_error);
    EXPECT_TRUE(writer->owns_lock());
    EXPECT_FALSE(lock.try_read().has_value());
}

// covers: P085 I20.5.9
TEST(SyncRwlock, TryDowngradeMapReturnsTheGuardOnNull) {
    rwlock<std::optional<int>> lock(std::nullopt);
    const auto part = [](const std::optional<int>& o) { return o ? &*o : nullptr; };
    auto none = lock.blocking_write().try_downgrade_map(part);
    ASSERT_FALSE(none.has_value());
    *none.error() = 3;
    EXPECT_FALSE(lock.try_read().has_value());
    auto some = std::move(none.error()).try_downgrade_map(part);
    ASSERT_TRUE(some.has_value());
    EXPECT_EQ(**some, 3);
    EXPECT_TRUE(lock.try_read().has_value());
    EXPECT_FALSE(lock.try_write().has_value());
}

// covers: P085
TEST(SyncRwlock, OwnedWriteGuardHasDowngradeMap) {
    auto shared = std::make_shared<rwlock<person>>(person{"Ada", 36});
    const std::weak_ptr<rwlock<person>> seen = shared;
    auto age = eddy::wait(rwlock<person>::write_owned(shared)).downgrade_map(&person::age);
    EXPECT_TRUE(shared->try_read().has_value());
    shared.reset();
    EXPECT_EQ(*age, 36);
    age.unlock();
    EXPECT_TRUE(seen.expired());
}

// covers: P085
TEST(SyncRwlock, GetMutThrowsWhileLocked) {
    rwlock<std::unique_ptr<int>> lock(std::in_place, new int(5));
    auto guard = lock.try_read();
    EXPECT_THROW(static_cast<void>(lock.get_mut()), eddy::misuse);
    guard.reset();
    EXPECT_EQ(*lock.get_mut(), 5);
    EXPECT_EQ(*std::move(lock).into_inner(), 5);
}

TEST(SyncRwlock, FirstWokenReaderMayDropAllReaders) {
    rwlock<int> lock(1);
    std::vector<std::unique_ptr<eddy::sync::lock_future<rwlock<int>::read_guard>>> readers;
    support::calling_waker waker([&] { std::exchange(readers, {}).clear(); });
    auto writer = lock.try_write();
    for (std::size_t i = 0; i < support::more_than_a_batch; ++i) {
        readers.push_back(std::make_unique<eddy::sync::lock_future<rwlock<int>::read_guard>>(lock.read()));
        assert_pending(support::poll_with(*readers.back(), waker.waker()));
    }
    writer.reset();
    EXPECT_TRUE(readers.empty());
    EXPECT_TRUE(lock.try_write().has_value()) << "a dropped future returns the lock that it was granted";
}

// covers: P085
TEST(SyncRwlockDeathTest, DestructionWhileLockedTerminates) {
    EXPECT_DEATH(
        {
            auto lock = std::make_unique<rwlock<int>>(1);
            const auto guard = lock->try_read();
            lock.reset();
        },
        "a sync::rwlock was destroyed while it is locked: keep it until its guards");
    EXPECT_DEATH(
        {
            auto lock = std::make_unique<rwlock<int>>(1, 2);
            const auto guard = lock->try_write();
            lock.reset();
        },
        "a sync::rwlock was destroyed while it is locked");
    auto lock = std::make_unique<rwlock<int>>(1, 2);
    auto first = lock->try_read();
    auto second = lock->try_read();
    first.reset();
    second.reset();
    lock.reset();
    EXPECT_EQ(lock, nullptr);
}

}  // namespace
