// SPDX-License-Identifier: MIT
#include <eddy/task/join_map.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/local_set.hpp>

#include "support/executors.hpp"
#include "support/runtime/joined_tasks.hpp"
#include "support/runtimes.hpp"

namespace {

using eddy::task;
using eddy::sync::oneshot;
using support::census;
using support::everywhere;
using support::gives;
using support::gives_later;
using support::holds;
using support::never;

// covers: P019
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

// covers: P019
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

// covers: P019
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

// covers: P019 I20.5.3
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

// covers: P019 I20.5.3
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

// covers: P019 I20.5.4
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

// covers: P019 I20.5.5
TEST(JoinMap, KeysListsOnlyUnjoinedTasks) {
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

// covers: P019 I20.5.6
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
        map.spawn(1, own_id());  // replaces the task with that id
        EXPECT_FALSE(map.contains_task(id));
        co_await map.shutdown();
    });
}

// covers: P019
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

// covers: P097
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

// ---- Keys whose copies throw ----

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

/// Joins all tasks and ignores exceptions of their keys. Returns the number of joined tasks, or -1 after 100
/// exceptions.
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
