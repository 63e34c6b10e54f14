// SPDX-License-Identifier: MIT
// A value that is made once: by one at a time, seen whole by all, and nobody waits for ever when whoever makes it gives up.
#include <eddy/sync/once_cell.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include <eddy/poll_fn.hpp>
#include <eddy/sync/set_once.hpp>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::sync::once_cell;
using eddy::sync::set_once;
using explore::cell;
using explore::check;
using explore::holds;
using explore::sleeping_task;

template <class F>
auto run(F future, sleeping_task& task) {
    const eddy::waker waker = task.waker();
    for (;;) {
        eddy::context cx(waker);
        if (auto answer = future.poll(cx); answer.is_ready()) return *std::move(answer);
        task.sleep();
    }
}

TEST(ExploreOnce, WhoWaitsForAValueSeesIt) {
    EXPECT_TRUE(holds([] {
        const auto value = std::make_unique<set_once<int>>();
        cell<int> told;
        sleeping_task one(false);
        sleeping_task another(false);
        explore::thread setting([&] {
            told.write(1);
            check(value->set(7).has_value(), "nobody else sets it");
        });
        explore::thread waiting([&] { check(*run(value->wait(), another) == 7, "the value"); });
        check(*run(value->wait(), one) == 7, "the value");
        check(told.read() == 1, "and what came before");
    }));
}

/// The first who makes it gives up, by an error.
TEST(ExploreOnce, WhoeverGivesUpLeavesItToTheNext) {
    EXPECT_TRUE(holds([] {
        const auto value = std::make_unique<once_cell<int>>();
        cell<int> tries;
        sleeping_task tasks[3]{sleeping_task(false), sleeping_task(false), sleeping_task(false)};
        const auto make = [&] {
            return eddy::poll_fn([&](eddy::context&) -> eddy::poll_result<std::expected<int, int>> {
                tries.write(tries.read() + 1);  // one at a time, each after the former one
                if (tries.read() < 3) return std::expected<int, int>(std::unexpect, 0);
                return std::expected<int, int>(7);
            });
        };
        const auto use = [&](sleeping_task& task) {
            const auto got = run(value->get_or_try_init(make), task);
            if (got) check(**got == 7, "the value");
        };
        explore::thread first([&] { use(tasks[1]); });
        explore::thread second([&] { use(tasks[2]); });
        use(tasks[0]);
    }));
}

/// The first who makes it is dropped half way, while others wait.
TEST(ExploreOnce, WhoIsDroppedHalfWayLeavesItToTheNext) {
    EXPECT_TRUE(holds([] {
        const auto value = std::make_unique<once_cell<int>>();
        sleeping_task tasks[3]{sleeping_task(false), sleeping_task(false), sleeping_task(false)};
        const auto never = [] {
            return eddy::poll_fn([](eddy::context&) -> eddy::poll_result<int> { return eddy::not_ready; });
        };
        const auto at_once = [] { return eddy::poll_fn([](eddy::context&) -> eddy::poll_result<int> { return 7; }); };
        explore::thread dropped([&] {
            auto future = value->get_or_init(never);
            const eddy::waker waker = tasks[1].waker();
            eddy::context cx(waker);
            static_cast<void>(future.poll(cx));
        });
        explore::thread second([&] { check(*run(value->get_or_init(at_once), tasks[2]) == 7, "the value"); });
        check(*run(value->get_or_init(at_once), tasks[0]) == 7, "the value");
    }));
}

}  // namespace
