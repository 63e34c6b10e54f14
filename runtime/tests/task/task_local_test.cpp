// SPDX-License-Identifier: MIT
#include <eddy/task/task_local.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/runtimes.hpp"
#include "support/scripted.hpp"

namespace {

using eddy::task;
using eddy::task_local;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::everywhere;

struct request {
    static inline task_local<int> id;
    static inline task_local<std::string> name;
    static inline task_local<int> other;
};

task<int> reads_id() { co_return request::id.get(); }
task<int> reads_id_often() {
    const int first = request::id.get();
    for (int i = 0; i < 100; ++i) {
        co_await eddy::yield_now();
        if (request::id.get() != first) co_return -1;
    }
    co_return first;
}

// covers: P025
TEST(TaskLocal, IsVisibleInsideItsFutureOnly) {
    everywhere([]() -> task<> {
        EXPECT_FALSE(request::id.try_get().has_value());
        const int seen = co_await request::id.scope(7, reads_id());
        EXPECT_EQ(seen, 7);
        EXPECT_FALSE(request::id.try_get().has_value());
    });
}

// covers: P025
TEST(TaskLocal, ScopesNest) {
    everywhere([]() -> task<> {
        const int sum = co_await request::id.scope(1, []() -> task<int> {
            const int before = request::id.get();
            const int inner = co_await request::id.scope(10, reads_id_often());
            const int other = co_await request::other.scope(100, reads_id());
            EXPECT_FALSE(request::other.try_get().has_value());
            co_return before + inner + other + request::id.get();
        }());
        EXPECT_EQ(sum, 13);
    });
}

// covers: P025
TEST(TaskLocal, EachTaskHasItsOwnValue) {
    everywhere([]() -> task<> {
        eddy::join_set<int> set;
        for (int i = 0; i < 50; ++i) set.spawn(request::id.scope(i, reads_id_often()));
        int sum = 0;
        while (auto output = co_await set.join_next()) sum += output->value();
        EXPECT_EQ(sum, 49 * 50 / 2);
    });
}

// covers: P025
TEST(TaskLocal, ValueMovesWithTaskBetweenWorkers) {
    const eddy::runtime rt = support::runtime_with(4);
    rt.block_on([]() -> task<> {
        eddy::join_set<bool> set;
        for (int i = 0; i < 8; ++i) {
            set.spawn(request::name.scope("task " + std::to_string(i), [](int number) -> task<bool> {
                const auto began_on = std::this_thread::get_id();
                bool has_moved = false;
                for (int turn = 0; turn < 20'000 && !has_moved; ++turn) {
                    co_await eddy::yield_now();
                    if (request::name.get() != "task " + std::to_string(number)) co_return false;
                    has_moved = std::this_thread::get_id() != began_on;
                }
                co_return true;
            }(i)));
        }
        while (auto output = co_await set.join_next()) EXPECT_TRUE(output->value());
    }());
}

// covers: P025
TEST(TaskLocal, SpawnedTasksDoNotInheritValue) {
    everywhere([]() -> task<> {
        const bool inherited = co_await request::id.scope(7, []() -> task<bool> {
            auto spawned = eddy::spawn([] { return request::id.try_get().has_value(); });
            auto output = co_await spawned;
            co_return output.value();
        }());
        EXPECT_FALSE(inherited);
    });
}

// covers: P025
TEST(TaskLocal, JoinedFuturesSeeTheirOwnValues) {
    everywhere([]() -> task<> {
        auto both = co_await eddy::join(request::id.scope(1, reads_id_often()), request::id.scope(2, reads_id_often()));
        auto& [first, second] = both;
        EXPECT_TRUE(first == 1 && second == 2);
    });
}

// covers: P025
TEST(TaskLocal, WithChangesValue) {
    everywhere([]() -> task<> {
        const int counted = co_await request::id.scope(0, []() -> task<int> {
            for (int i = 0; i < 10; ++i) {
                request::id.with([](int& value) { ++value; });
                co_await eddy::yield_now();
            }
            co_return request::id.get();
        }());
        EXPECT_EQ(counted, 10);
    });
}

// covers: P025
TEST(TaskLocal, WithReturnsResultOfFunction) {
    request::name.sync_scope("abc", [] {
        EXPECT_EQ(request::name.with([](const std::string& text) { return text.size(); }), 3u);
        std::string& same = request::name.with([](std::string& text) -> std::string& { return text; });
        same = "abcd";
        EXPECT_EQ(request::name.get(), "abcd");
        EXPECT_EQ(request::name.try_with([](std::string& text) { return text.size(); }), std::optional<std::size_t>(4));
        EXPECT_TRUE(request::name.try_with([](std::string& text) { text.clear(); }));
        EXPECT_EQ(request::name.try_get(), std::optional<std::string>(""));
    });
    EXPECT_EQ(request::name.try_with([](std::string& text) { return text.size(); }), std::nullopt);
    EXPECT_FALSE(request::name.try_with([](std::string& text) { text.clear(); }));
}

// covers: P025
TEST(TaskLocal, SyncScopeNestsAndEndsOnException) {
    EXPECT_EQ(request::id.sync_scope(1, [] { return request::id.sync_scope(2, [] { return request::id.get(); }); }), 2);
    EXPECT_THROW(request::id.sync_scope(1, [] { throw std::runtime_error("thrown"); }), std::runtime_error);
    EXPECT_FALSE(request::id.try_get().has_value());
    EXPECT_EQ(request::id.sync_scope(1, [] { return request::other.sync_scope(2, [] { return request::id.get(); }); }),
              1);
}

// covers: P025
TEST(TaskLocal, ScopeChildrenDoNotInheritValue) {
    everywhere([]() -> task<> {
        co_await request::id.scope(3, eddy::scope([](auto& s) -> task<> {
                                       s.spawn([] { EXPECT_FALSE(request::id.try_get().has_value()); });
                                       s.spawn(request::id.scope(4, []() -> task<> {
                                           EXPECT_EQ(request::id.get(), 4);
                                           co_return;
                                       }()));
                                       EXPECT_EQ(request::id.get(), 3);
                                       co_return;
                                   }));
    });
}

// covers: P025
TEST(TaskLocal, SyncScopeReachesIntoBlockInPlace) {
    const eddy::runtime rt = support::runtime_with(2);
    rt.block_on(request::id.scope(5, []() -> task<> {
        EXPECT_EQ(eddy::block_in_place([] { return request::id.get(); }), 5);
        co_return;
    }()));
}

// covers: P025
TEST(TaskLocal, EventLoopInsideSyncScopeDoesNotSeeValue) {
    eddy::core loop;
    request::id.sync_scope(7, [&] {
        loop.run([]() -> task<> {
            EXPECT_FALSE(request::id.try_get().has_value());
            auto other = eddy::spawn([] { EXPECT_FALSE(request::id.try_get().has_value()); });
            static_cast<void>(co_await other);
        }());
        EXPECT_EQ(request::id.get(), 7);
    });
}

/// Returns an object whose destructor stores the bound value in `seen`, or 0 if no value is bound. A task holds the
/// object, so the destructor runs while the task is destroyed.
support::last_words notes_whether_bound(std::optional<int>& seen) {
    return support::last_words([&seen] { seen = request::id.try_get().value_or(0); });
}

// covers: P025
TEST(TaskLocal, DestroyedTasksDoNotSeeValueOfDestroyingTask) {
    std::optional<int> seen;
    {
        auto loop = std::make_unique<eddy::core>();
        static_cast<void>(loop->handle().spawn(support::hold(notes_whether_bound(seen))));
        request::id.sync_scope(7, [&] { loop.reset(); });
    }
    EXPECT_EQ(seen, 0) << "the end of an event loop";
    everywhere([]() -> task<> {
        std::optional<int> seen_by_child;
        {
            by_hand parent(request::id.scope(7, eddy::scope([&](auto& s) -> task<> {
                                                 s.spawn(support::hold(notes_whether_bound(seen_by_child)));
                                                 co_return;
                                             })));
            assert_pending(parent.poll());
        }
        EXPECT_EQ(seen_by_child, 0) << "the end of a scope";
        co_return;
    });
}

/// A value and a future that record the order of their destruction, and whether the future still sees the value.
struct order {
    std::vector<std::string> events;
};
struct noted_value {
    order* log;
    explicit noted_value(order& to) : log(&to) {}
    noted_value(noted_value&& other) noexcept : log(std::exchange(other.log, nullptr)) {}
    noted_value& operator=(noted_value&&) = delete;
    ~noted_value() {
        if (log != nullptr) log->events.push_back("value");
    }
};
task_local<noted_value> noted;
struct notes_end {
    order* log;
    explicit notes_end(order& to) : log(&to) {}
    notes_end(notes_end&& other) noexcept : log(std::exchange(other.log, nullptr)) {}
    notes_end& operator=(notes_end&&) = delete;
    ~notes_end() {
        if (log == nullptr) return;
        const bool sees = noted.try_with([](noted_value&) {});
        log->events.push_back(sees ? "future, bound" : "future, unbound");
    }
};
const std::vector<std::string> right_order = {"future, bound", "value"};

task<> waits(notes_end, bool forever) {
    if (forever) co_await eddy::pending<void>();
}

// covers: P025
TEST(TaskLocal, ValueIsDestroyedAfterFuture) {
    order log;
    {
        by_hand hand(noted.scope(noted_value(log), waits(notes_end(log), false)));
        assert_ready(hand.poll());
        EXPECT_EQ(log.events, right_order);  // the end of the future has destroyed both
    }
    EXPECT_EQ(log.events, right_order);
}

// covers: P025
TEST(TaskLocal, IsBoundWhileFutureIsDestroyed) {
    order log;
    {
        by_hand hand(noted.scope(noted_value(log), waits(notes_end(log), true)));
        assert_pending(hand.poll());
    }
    EXPECT_EQ(log.events, right_order);
    log.events.clear();
    {
        auto never_polled = noted.scope(noted_value(log), waits(notes_end(log), true));
    }
    EXPECT_EQ(log.events, right_order);
}

// covers: P025
TEST(TaskLocal, IsBoundWhileAbortedTaskIsDestroyed) {
    everywhere([]() -> task<> {
        order log;
        auto spawned = eddy::spawn(noted.scope(noted_value(log), waits(notes_end(log), true)));
        co_await eddy::yield_now();
        spawned.abort();
        auto output = co_await spawned;
        EXPECT_TRUE(output.error().is_cancelled());
        EXPECT_EQ(log.events, right_order);
    });
}

// covers: P025
TEST(TaskLocal, ExceptionEndsScope) {
    by_hand hand(request::id.scope(1, []() -> task<> {
        throw std::runtime_error("thrown");
        co_return;
    }()));
    EXPECT_THROW(static_cast<void>(hand.poll()), std::runtime_error);
    EXPECT_FALSE(request::id.try_get().has_value());
    EXPECT_THROW(static_cast<void>(hand.poll()), eddy::misuse);
}

// covers: P025
TEST(TaskLocal, IsBoundWhileFutureIsCancelled) {
    support::script s;
    s.may_end = false;
    auto bound = request::id.scope(1, support::cancellable_scripted(s));
    static_assert(eddy::cancellable_future<decltype(bound)>);
    by_hand hand(std::move(bound));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_TRUE(s.alive);
    s.may_end = true;
    assert_ready(hand.poll_cancel());
    EXPECT_FALSE(s.alive);
    assert_ready(hand.poll_cancel());
    EXPECT_EQ(s.cancel_polls, 2) << "the future is gone";
    static_assert(!eddy::cancellable_future<decltype(request::id.scope(1, support::scripted(s)))>);
}

// covers: P025
TEST(TaskLocal, AccessWithoutValueThrowsMisuse) {
    const auto text = support::text_of_misuse([] { static_cast<void>(request::id.get()); });
    EXPECT_NE(text.find("co_await name.scope(value, future)"), std::string::npos) << text;
    EXPECT_NE(text.find("task_local_test.cpp"), std::string::npos) << text;
    EXPECT_THROW(request::id.with([](int&) {}), eddy::misuse);
    EXPECT_THROW(static_cast<void>(by_hand(reads_id()).poll()), eddy::misuse);
}

// covers: P025
TEST(TaskLocal, IsFoundAmongNestedBindings) {
    by_hand hand(request::id.scope(1, request::name.scope("name", request::other.scope(3, []() -> task<std::string> {
        co_return request::name.get() + std::to_string(request::id.get()) + std::to_string(request::other.get());
    }()))));
    EXPECT_EQ(assert_ready(hand.poll()), "name13");
}

// covers: P025
TEST(TaskLocal, LoserOfSelectIsDestroyedWithItsValue) {
    everywhere([]() -> task<> {
        order log;
        auto first = co_await eddy::select_biased(request::id.scope(1, reads_id()),
                                                  noted.scope(noted_value(log), waits(notes_end(log), true)));
        EXPECT_EQ(std::get<0>(first), 1);
        EXPECT_EQ(log.events, right_order);
    });
}

}  // namespace
