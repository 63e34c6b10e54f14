// SPDX-License-Identifier: MIT
// The measurements of tasks: which accounts exist.
// runs: asan, plain
#include "executor/task/task_accounts.hpp"

#include <gtest/gtest.h>

#include <source_location>
#include <string_view>
#include <vector>

#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/task/detail/executor.hpp>
#include <eddy/task/detail/spawned_task.hpp>
#include <eddy/task/task_statistics.hpp>

namespace {

using eddy::detail::spawned_task;
using eddy::detail::task_accounts;

/// An owner that no test asks for anything.
class no_owner final : public eddy::detail::spawned_task_owner {
public:
    void adopt(spawned_task& /*task*/) noexcept override { ADD_FAILURE(); }
    void schedule(spawned_task& /*task*/) noexcept override { ADD_FAILURE(); }
    void report(eddy::detail::unread_failure /*failure*/, const std::source_location& /*where*/,
                std::string_view /*name*/) noexcept override {
        ADD_FAILURE();
    }
};

class TaskAccounts : public testing::Test {
protected:
    std::vector<eddy::task_statistics> all() {
        std::vector<eddy::task_statistics> found;
        accounts.append_to(found);
        return found;
    }

    const eddy::detail::spawned_ops operations{};
    no_owner owner;
    spawned_task task{operations, owner, std::source_location::current(), true};
    task_accounts accounts;
};

TEST_F(TaskAccounts, BeginWithTheSpawn) {
    task.id = 7;
    accounts.note_spawn(task);
    ASSERT_EQ(all().size(), 1U);
    EXPECT_EQ(all().front().id, 7U);
    EXPECT_EQ(all().front().polls, 0U);
}

// A thread that wakes a task of an event loop records that after it has changed the task's word. The loop may have
// completed the task since. An account made then would stay, with the number of the task, for the next task at this
// address.
TEST_F(TaskAccounts, AreNotMadeByAWakeAfterTheEnd) {
    accounts.note_spawn(task);
    accounts.forget(task);
    accounts.note_woken(task);
    EXPECT_TRUE(all().empty());
}

}  // namespace
