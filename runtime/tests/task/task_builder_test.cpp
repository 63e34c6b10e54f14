// SPDX-License-Identifier: MIT
#include <eddy/task/task_builder.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/local_set.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

#include "support/polling.hpp"
#include "support/runtimes.hpp"
#include "support/scripted.hpp"

namespace {

using eddy::task;
using eddy::task_builder;
using support::everywhere;

task<std::string> own_name() {
    co_await eddy::yield_now();
    co_return std::string(eddy::current_task_name());
}

// covers: P026
TEST(TaskBuilder, NameIsVisibleInsideTask) {
    everywhere([]() -> task<> {
        auto named = task_builder().name("reader").spawn(own_name());
        auto callable = task_builder().name("writer").spawn([] { return own_name(); });
        auto value = task_builder().name("value").spawn([] { return std::string(eddy::current_task_name()); });
        auto unnamed = task_builder().spawn(own_name());
        auto plain = eddy::spawn(own_name());
        auto first = co_await named;
        EXPECT_EQ(first.value(), "reader");
        auto second = co_await callable;
        EXPECT_EQ(second.value(), "writer");
        auto third = co_await value;
        EXPECT_EQ(third.value(), "value");
        auto fourth = co_await unnamed;
        EXPECT_EQ(fourth.value(), "");
        auto fifth = co_await plain;
        EXPECT_EQ(fifth.value(), "");
        EXPECT_EQ(eddy::current_task_name(), "");
    });
    EXPECT_EQ(eddy::current_task_name(), "");
}

// covers: P026
TEST(TaskBuilder, SpawnsFuturesClosuresAndFailingTasks) {
    everywhere([]() -> task<> {
        auto future = task_builder().name("future").spawn(eddy::ready(4));
        auto text = std::make_unique<int>(5);
        auto closure = task_builder().name("closure").spawn([text = std::move(text)]() -> task<int> {
            co_await eddy::yield_now();
            co_return *text;
        });
        auto throws = task_builder().name("throws").spawn([]() -> task<> {
            co_await eddy::yield_now();
            throw std::runtime_error("thrown");
        });
        auto waits = task_builder().name("waits").spawn([]() -> task<> { co_await eddy::pending<void>(); }());
        auto nothing = task_builder().name("nothing").spawn([] {});
        auto first = co_await future;
        EXPECT_EQ(first.value(), 4);
        auto second = co_await closure;
        EXPECT_EQ(second.value(), 5);
        auto third = co_await throws;
        EXPECT_THROW(third.error().rethrow(), std::runtime_error);
        co_await eddy::yield_now();
        waits.abort();
        auto fourth = co_await waits;
        EXPECT_TRUE(fourth.error().is_cancelled());
        auto fifth = co_await nothing;
        EXPECT_TRUE(fifth.has_value());
    });
}

// covers: P026
TEST(TaskBuilder, NameIsVisibleWhileTaskIsDestroyed) {
    struct notes_name {
        std::string* name;
        explicit notes_name(std::string& to) : name(&to) {}
        notes_name(notes_name&& other) noexcept : name(std::exchange(other.name, nullptr)) {}
        notes_name& operator=(notes_name&&) = delete;
        ~notes_name() {
            if (name != nullptr) *name = eddy::current_task_name();
        }
    };
    everywhere([]() -> task<> {
        std::string seen;
        auto handle = task_builder().name("mortal").spawn(
            [](notes_name) -> task<> { co_await eddy::pending<void>(); }(notes_name(seen)));
        co_await eddy::yield_now();
        handle.abort();
        auto output = co_await handle;
        EXPECT_TRUE(output.error().is_cancelled());
        EXPECT_EQ(seen, "mortal");
    });
}

// covers: P026
TEST(TaskBuilder, AbortAwaitsPollCancel) {
    // Runs on one thread, because the script is not synchronized.
    const auto main = []() -> task<> {
        support::script s;
        s.may_end = false;
        auto handle = task_builder().name("orderly").spawn(support::cancellable_scripted(s));
        while (s.polls == 0) co_await eddy::yield_now();
        handle.abort();
        while (s.cancel_polls == 0) co_await eddy::yield_now();
        EXPECT_TRUE(s.alive);
        s.may_end = true;
        s.waker.wake_by_ref();
        auto output = co_await handle;
        EXPECT_TRUE(output.error().is_cancelled());
        EXPECT_FALSE(s.alive);
        s.waker = eddy::waker();
    };
    eddy::core core;
    core.run(main());
    support::runtime_with(1).block_on(main());
}

// covers: P026
TEST(TaskBuilder, SpawnsOnHandleAndOnLocalSet) {
    const eddy::runtime other = support::runtime_with(2);
    everywhere([handle = other.handle()]() -> task<> {
        task_builder builder;
        builder.name("many");
        auto remote = builder.spawn_on(handle, own_name());
        auto output = co_await remote;
        EXPECT_EQ(output.value(), "many");
        eddy::local_set set;
        co_await set.run_until([](task_builder& named) -> task<> {
            auto local = named.spawn_local(own_name());
            auto unnamed = task_builder().spawn_local(own_name());
            auto first = co_await local;
            EXPECT_EQ(first.value(), "many");
            auto second = co_await unnamed;
            EXPECT_EQ(second.value(), "");
        }(builder));
    });
}

// covers: P026
TEST(TaskBuilder, NestedTaskDoesNotInheritName) {
    everywhere([]() -> task<> {
        auto handle = task_builder().name("outer").spawn([]() -> task<> {
            eddy::local_set set;
            auto inner = set.spawn_local(own_name());
            auto named = set.run_until(own_name());
            auto name = co_await std::move(named);
            EXPECT_EQ(name, "outer");
            co_await set;
            auto output = co_await inner;
            EXPECT_EQ(output.value(), "");
            EXPECT_EQ(eddy::current_task_name(), "outer");
        }());
        auto output = co_await handle;
        EXPECT_TRUE(output.has_value());
    });
}

// covers: P026
TEST(TaskBuilder, BackgroundTasksDoNotDelayBlockOnAll) {
    auto rt = support::runtime_with(2);
    std::vector<eddy::join_handle<void>> background;
    for (const char* name : {"", "idler"}) {
        background.push_back(task_builder().name(name).background(true).spawn_on(rt.handle(), eddy::pending<void>()));
    }
    std::move(rt).block_on_all([]() -> task<> { co_return; }());
    for (auto& each : background) EXPECT_TRUE(eddy::wait(each).error().is_cancelled());
}

// covers: P026
TEST(TaskBuilder, SpawnOutsideRuntimeThrowsMisuse) {
    const auto text = support::text_of_misuse([] { task_builder().name("nowhere").spawn(own_name()); });
    EXPECT_NE(text.find("task_builder::spawn needs a runtime on this thread"), std::string::npos) << text;
    EXPECT_THROW(task_builder().name("nowhere").spawn_local(own_name()), eddy::misuse);
}

/// Returns the text that is printed for uncaught exceptions.
std::string printed_of(void (*run)(task<>)) {
    const auto main = []() -> task<> {
        for (const char* name : {"reader", ""}) {
            // The first task's handle is dropped before the end of its task, the second task's handle after it.
            task_builder()
                .name(name)
                .spawn([]() -> task<> {
                    co_await eddy::yield_now();
                    throw std::runtime_error("in a coroutine");
                }())
                .detach();
            auto late = task_builder().name(name).spawn([] { throw std::runtime_error("in a callable"); });
            while (!late.is_finished()) co_await eddy::yield_now();
        }
    };
    testing::internal::CaptureStderr();
    run(main());
    return testing::internal::GetCapturedStderr();
}

TEST(TaskBuilder, UncaughtExceptionIsPrintedWithTaskName) {
    const auto on_core = [](task<> main) {
        eddy::core core;
        core.run(std::move(main));
        core.run_until_idle();
    };
    const auto on_runtime = [](task<> main) {
        auto rt = support::runtime_with(1);
        std::move(rt).block_on_all(std::move(main));
    };
    for (void (*const run)(task<>) : {+on_core, +on_runtime}) {
        const std::string text = printed_of(run);
        for (const char* what : {"in a coroutine", "in a callable"}) {
            for (const char* subject : {"eddy: the task \"reader\" spawned at ", "eddy: a task spawned at "}) {
                bool is_there = false;
                for (std::size_t from = 0; (from = text.find(subject, from)) != std::string::npos; ++from) {
                    const auto line = text.substr(from, text.find('\n', from) - from);
                    is_there = is_there || line.ends_with(std::string("threw: ") + what);
                }
                EXPECT_TRUE(is_there) << subject << what << " in:\n" << text;
            }
        }
    }
}

TEST(TaskBuilder, UncaughtExceptionInLocalSetIsPrintedWithName) {
    testing::internal::CaptureStderr();
    {
        eddy::local_set set;
        eddy::core core;
        core.run(set.run_until([]() -> task<> {
            task_builder().name("local").spawn_local([] { throw std::runtime_error("broken"); }).detach();
            co_await eddy::yield_now();
        }()));
        core.run(set);
    }
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_NE(text.find("eddy: the task \"local\" spawned at "), std::string::npos) << text;
}

// covers: P026
TEST(TaskBuilder, CurrentTaskIdEqualsIdOfHandle) {
    everywhere([]() -> task<> {
        auto handle = eddy::spawn([]() -> task<eddy::task_id> {
            co_await eddy::yield_now();
            co_return eddy::current_task_id().value_or(0);
        });
        auto named = task_builder().name("named").spawn([] { return eddy::current_task_id().value_or(0); });
        const eddy::task_id id = handle.id();
        const eddy::task_id named_id = named.id();
        EXPECT_NE(id, named_id);
        auto output = co_await handle;
        EXPECT_EQ(output.value(), id);
        auto second = co_await named;
        EXPECT_EQ(second.value(), named_id);
    });
    EXPECT_FALSE(eddy::current_task_id().has_value());
}

}  // namespace
