// SPDX-License-Identifier: MIT
// Tasks that other threads send to a local set: a driver is woken for each, also if a driver that was woken leaves
// before it polls the set.
#include "executor/local/local_inbox.hpp"

#include <gtest/gtest.h>

#include <source_location>

#include <eddy/task/detail/spawned_task.hpp>

#include "explore/explore.hpp"
#include "explore/sleeping_task.hpp"
#include "explore/small_executor.hpp"

namespace {

using eddy::detail::local_driver;
using eddy::detail::local_inbox;
using eddy::detail::spawned_ops;
using eddy::detail::spawned_task;
using explore::check;
using explore::holds;
using explore::sleeping_task;
using explore::small_executor;

/// A task that is only sent.
class sent_task : spawned_task {
public:
    explicit sent_task(small_executor& executor)
        : spawned_task(no_operations, executor, std::source_location(), false) {}

    void send_to(local_inbox& inbox) {
        data.write(1);
        check(inbox.send(*this), "the inbox is open");
    }
    spawned_task& get() { return *this; }
    static int data_of(spawned_task& task) { return static_cast<sent_task&>(task).data.read(); }

private:
    static constexpr spawned_ops no_operations{};
    explore::cell<int> data{0};
};

/// Polls the set, as local_tasks::drive() does, until `all` tasks have arrived.
void drive(local_inbox& inbox, local_driver& driver, sleeping_task& self, int all) {
    for (int arrived = 0;;) {
        local_inbox::queue tasks = inbox.take();
        while (spawned_task* const task = tasks.pop()) arrived += sent_task::data_of(*task);
        if (arrived == all) break;
        if (inbox.wait(driver, self.waker())) self.sleep();
    }
    inbox.leave(driver);
}

TEST(ExploreLocalInbox, DriverGetsAllTasks) {
    EXPECT_TRUE(holds([] {
        small_executor executor;
        sent_task first(executor);
        sent_task second(executor);
        local_inbox inbox;
        sleeping_task self(false);
        explore::thread one([&] { first.send_to(inbox); });
        explore::thread other([&] { second.send_to(inbox); });
        local_driver driver;
        drive(inbox, driver, self, 2);
    }));
}

TEST(ExploreLocalInbox, DriverThatLeavesDoesNotKeepTheWakeUp) {
    EXPECT_TRUE(holds([] {
        small_executor executor;
        sent_task task(executor);
        local_inbox inbox;
        sleeping_task dropped(false);
        sleeping_task self(false);
        local_driver first;
        check(inbox.wait(first, dropped.waker()), "there is no task");
        explore::thread other([&] { task.send_to(inbox); });
        local_driver second;
        if (inbox.wait(second, self.waker())) {
            inbox.leave(first);
            self.sleep();
        } else {
            inbox.leave(first);
        }
        drive(inbox, second, self, 1);
    }));
}

/// A set that closes refuses a task, or finds it.
TEST(ExploreLocalInbox, CloseLosesNoTask) {
    EXPECT_TRUE(holds([] {
        small_executor executor;
        sent_task task(executor);
        local_inbox inbox;
        bool was_sent = false;
        int found = 0;
        {
            explore::thread other([&] { was_sent = inbox.send(task.get()); });
            do {
                local_inbox::queue tasks = inbox.take();
                while (tasks.pop() != nullptr) ++found;
            } while (!inbox.close_if_empty());
        }
        check(found == (was_sent ? 1 : 0), "a task is refused or found");
    }));
}

}  // namespace
