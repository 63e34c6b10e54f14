// SPDX-License-Identifier: MIT
// Plain functions, passed by name wherever the library accepts a callable.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <utility>

#include <eddy/future/combinators.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/task_tracker.hpp>
#include <eddy/task/join_map.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/local_pool.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/task/task_builder.hpp>

#include "support/runtimes.hpp"

namespace {

using eddy::task;

int five() { return 5; }
task<int> six() { co_return 6; }
constinit int calls = 0;
void is_called() { ++calls; }
void is_called_on(eddy::core_handle&) { ++calls; }
task<void> begins_children(eddy::scope_handle& s) {
    s.spawn(six);
    s.spawn(five);
    co_return;
}

task<> spawns_here() {
    auto a = eddy::spawn(five);
    auto b = eddy::spawn(six);
    auto c = eddy::spawn_background(six);
    auto d = eddy::spawn_blocking(five);
    auto e = eddy::task_builder().spawn(six);
    auto f = eddy::task_builder().name("named").spawn(six);
    auto g = eddy::task_builder().name("named").spawn(five);
    const auto got_a = co_await a;
    const auto got_b = co_await b;
    const auto got_c = co_await c;
    const auto got_d = co_await d;
    const auto got_e = co_await e;
    const auto got_f = co_await f;
    const auto got_g = co_await g;
    EXPECT_EQ(got_a.value(), 5);
    EXPECT_EQ(got_b.value(), 6);
    EXPECT_EQ(got_c.value(), 6);
    EXPECT_EQ(got_d.value(), 5);
    EXPECT_EQ(got_e.value(), 6);
    EXPECT_EQ(got_f.value(), 6);
    EXPECT_EQ(got_g.value(), 5);

    eddy::join_set<int> set;
    set.spawn(five);
    set.spawn(six);
    set.spawn_blocking(five);
    int sum = 0;
    while (auto output = co_await set.join_next()) sum += output->value();
    EXPECT_EQ(sum, 16);
    eddy::join_map<int, int> map;
    map.spawn(1, six);
    auto entry = co_await map.join_next();
    EXPECT_EQ(entry->output.value(), 6);

    const eddy::sync::task_tracker tracker;
    auto tracked = tracker.spawn(six);
    const auto got = co_await tracked;
    EXPECT_EQ(got.value(), 6);

    co_await eddy::scope(begins_children);

    eddy::local_set locals;
    auto local = locals.spawn_local(six);
    auto named = eddy::task_builder().name("named");
    co_await locals.run_until([](eddy::task_builder& builder) -> task<> {
        auto one = eddy::spawn_local(five);
        auto other = builder.spawn_local(six);
        const auto first = co_await one;
        const auto second = co_await other;
        EXPECT_EQ(first.value() + second.value(), 11);
    }(named));
    co_await locals;
    EXPECT_TRUE(local.is_finished());
}

TEST(PlainFunctions, CanBeSpawnedOnLoopsAndRuntimes) { support::everywhere(spawns_here); }

TEST(PlainFunctions, CanBeSpawnedThroughARuntimeHandle) {
    const auto rt = support::runtime_with(1);
    EXPECT_EQ(eddy::wait(rt.spawn(five)).value(), 5);
    EXPECT_EQ(eddy::wait(rt.handle().spawn(six)).value(), 6);
    EXPECT_EQ(eddy::wait(eddy::task_builder().spawn_on(rt.handle(), six)).value(), 6);
}

TEST(PlainFunctions, CanBeSpawnedThroughACoreHandleAndARemote) {
    calls = 0;
    eddy::core loop;
    EXPECT_TRUE(loop.handle().spawn(is_called));
    EXPECT_TRUE(loop.handle().spawn(is_called_on));
    EXPECT_TRUE(loop.remote().spawn(is_called));
    auto answer = loop.remote().call(six);
    loop.run_until_idle();
    EXPECT_EQ(answer.get(), 6);
    EXPECT_EQ(calls, 3);
}

TEST(PlainFunctions, CanBeSpawnedOnALocalPool) {
    const eddy::local_pool pool(1);
    EXPECT_EQ(eddy::wait(pool.spawn_pinned(six)).value(), 6);
    EXPECT_EQ(eddy::wait(pool.spawn_pinned_by_idx(five, 0)).value(), 5);
}

}  // namespace
