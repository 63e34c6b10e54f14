// SPDX-License-Identifier: MIT
#include <eddy/sync/rwlock.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <eddy/test/by_hand.hpp>
#include <eddy/wait.hpp>

#include "support/stress.hpp"

namespace {

using eddy::sync::rwlock;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

struct person {
    std::string name;
    int age = 0;
};

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

TEST(SyncRwlock, GetMutThrowsWhileLocked) {
    rwlock<std::unique_ptr<int>> lock(std::in_place, new int(5));
    auto guard = lock.try_read();
    EXPECT_THROW(static_cast<void>(lock.get_mut()), eddy::misuse);
    guard.reset();
    EXPECT_EQ(*lock.get_mut(), 5);
    EXPECT_EQ(*std::move(lock).into_inner(), 5);
}

// ---- Against a model ----

TEST(SyncRwlock, RandomOperationsMatchAModel) {
    // The line of those who came: a lock is theirs if they are compatible with all before them.
    using guard = std::variant<std::monostate, rwlock<int>::read_guard, rwlock<int>::write_guard>;
    struct visitor {
        bool writes;
        std::optional<by_hand<eddy::sync::lock_future<rwlock<int>::read_guard>>> reading;
        std::optional<by_hand<eddy::sync::lock_future<rwlock<int>::write_guard>>> writing;
        guard held;
        bool is_granted = false;
    };
    std::mt19937_64 random(support::seed());
    const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
    for (int run = 0; run < 200; ++run) {
        const auto limit = static_cast<std::uint32_t>(1 + below(4));
        rwlock<int> lock(0, limit);
        std::list<visitor> line;
        const auto serve = [&] {
            std::size_t readers = 0;
            std::size_t writers = 0;
            for (const auto& one : line) {
                if (one.is_granted) ++(one.writes ? writers : readers);
            }
            for (auto& one : line) {
                if (one.is_granted) continue;
                if (one.writes ? readers + writers != 0 : writers != 0 || readers == limit) return;
                one.is_granted = true;
                ++(one.writes ? writers : readers);
            }
        };
        const auto poll = [](visitor& one) {
            if (one.held.index() != 0) return;
            if (one.writes) {
                if (auto answer = one.writing->poll()) one.held = std::move(*answer);
            } else {
                if (auto answer = one.reading->poll()) one.held = std::move(*answer);
            }
        };
        for (int step = 0; step < 200; ++step) {
            const auto what = below(4);
            if (what < 2 && line.size() < 8) {
                auto& one = line.emplace_back();
                one.writes = below(3) == 0;
                if (one.writes) {
                    one.writing.emplace(lock.write());
                } else {
                    one.reading.emplace(lock.read());
                }
                serve();
                poll(one);
                ASSERT_EQ(one.held.index() != 0, one.is_granted);
            } else if (!line.empty()) {
                const auto at = std::next(line.begin(), static_cast<std::ptrdiff_t>(below(line.size())));
                if (what == 2) {
                    poll(*at);
                    ASSERT_EQ(at->held.index() != 0, at->is_granted);
                } else {
                    line.erase(at);
                    serve();
                }
            }
            for (const auto& one : line) {
                if (one.held.index() != 0) continue;
                ASSERT_EQ(one.writes ? one.writing->is_woken() : one.reading->is_woken(), one.is_granted);
            }
        }
    }
}

// ---- Many threads ----

TEST(SyncRwlockStress, ReadersSeeWholeValuesWithoutRuntime) {
    struct pair {
        std::uint64_t a = 0;
        std::uint64_t b = 0;
    };
    rwlock<pair> lock(pair(), 3);
    const auto rounds = support::rounds(200'000);
    const auto seed = support::seed();
    std::atomic<std::uint64_t> written{0};
    std::vector<std::thread> threads;
    for (unsigned id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937_64 random(seed + id);
            for (std::uint64_t round = 0; round < rounds; ++round) {
                switch (random() % 5) {
                case 0: {
                    auto writer = lock.blocking_write();
                    ++writer->a;
                    ++writer->b;
                    written.fetch_add(1, std::memory_order_relaxed);
                    const auto reader = std::move(writer).downgrade();
                    EXPECT_EQ(reader->a, reader->b);
                    break;
                }
                case 1: {
                    by_hand hand(lock.write());  // dropped wherever it is after one poll
                    const auto answer = hand.poll();
                    break;
                }
                case 2: {
                    by_hand hand(lock.read());
                    const auto answer = hand.poll();
                    break;
                }
                default: {
                    const auto reader = lock.blocking_read();
                    EXPECT_EQ(reader->a, reader->b);
                    break;
                }
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(lock.get_mut().a, written.load());
}

}  // namespace
