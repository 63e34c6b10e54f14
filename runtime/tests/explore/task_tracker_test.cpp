// SPDX-License-Identifier: MIT
// A task tracker: when all tokens are dropped, all waiters are woken. They see all writes made under the tokens, and
// may then destroy the tracker.
#include <eddy/sync/task_tracker.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"

namespace {

using eddy::sync::task_tracker;
using eddy::sync::task_tracker_token;
using explore::cell;
using explore::check;
using explore::holds;
using explore::sleeping_task;

void wait(task_tracker& tracker, sleeping_task& task) {
    auto end = tracker.wait();
    const eddy::waker waker = task.waker();
    for (;;) {
        eddy::context cx(waker);
        if (end.poll(cx).is_ready()) return;
        task.sleep();
    }
}

// covers: P020
TEST(ExploreTaskTracker, WaiterSeesWritesMadeUnderTokens) {
    EXPECT_TRUE(holds([] {
        task_tracker tracker;
        cell<int> one;
        cell<int> another;
        sleeping_task task(false);
        explore::thread first([&, token = std::make_unique<task_tracker_token>(tracker.token())]() mutable {
            one.write(1);
            token.reset();
        });
        explore::thread second([&, token = std::make_unique<task_tracker_token>(tracker.token())]() mutable {
            another.write(1);
            token.reset();
        });
        tracker.close();
        wait(tracker, task);
        check(one.read() + another.read() == 2, "writes made under both tokens are visible");
    }));
}

// covers: P020
TEST(ExploreTaskTracker, WokenWaiterMayDestroyTracker) {
    EXPECT_TRUE(holds([] {
        auto tracker = std::make_unique<task_tracker>();
        sleeping_task task(false);
        explore::thread closing([&tracker = *tracker] { tracker.close(); });
        wait(*tracker, task);
        tracker.reset();
    }));
}

}  // namespace
