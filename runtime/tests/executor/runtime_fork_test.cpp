// SPDX-License-Identifier: MIT
// A work-stealing runtime in a forked child, which has none of the runtime's threads.
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <eddy/future/ready.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/metrics_text.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/suspected_deadlocks.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/limit.hpp"
#include "support/polling.hpp"
#include "support/runtime.hpp"
#include "support/system.hpp"
#include "sys/thread_probe.hpp"

namespace {

using namespace std::chrono_literals;
using support::nothing;
using support::number;
using support::text_of_misuse;

/// Runs `f` in a forked child. An alarm ends a child that hangs.
template <class Fn>
bool is_true_in_child(Fn f) {
    return support::is_true_in_child([&] {
        ::alarm(support::operation_seconds());
        return f();
    });
}

/// A runtime in use: tasks wait, one thread for blocking work is busy, and another one is idle.
class RuntimeFork : public testing::Test {
protected:
    RuntimeFork() {
        const auto guard = rt->enter();
        eddy::wait(eddy::spawn_blocking([] {})).value();
        eddy::spawn_blocking([begun = begun_, over = over_] {
            begun->open();
            static_cast<void>(over->wait());
        }).detach();
        rt->spawn(eddy::time::sleep(1h)).detach();
        static_cast<void>(begun_->wait());
    }
    ~RuntimeFork() override { over_->open(); }

private:
    // Shared: the destructor of a runtime does not wait for blocking work.
    const std::shared_ptr<support::gate> begun_ = std::make_shared<support::gate>();
    const std::shared_ptr<support::gate> over_ = std::make_shared<support::gate>();

protected:
    std::unique_ptr<eddy::runtime> rt = std::make_unique<eddy::runtime>(support::make_runtime(2));
};

TEST_F(RuntimeFork, DestructorInForkedChildReturnsImmediately) {
    EXPECT_TRUE(is_true_in_child([&] {
        rt.reset();
        return true;
    }));
    EXPECT_EQ(rt->block_on(number(1)), 1);
}

// covers: R020
TEST_F(RuntimeFork, ErrorOfParentsRuntimeNamesTheFork) {
    const auto names_fork = [] {
        const auto text = make_error_code(eddy::errc::runtime_shutdown).message();
        return text.contains("belongs to the parent of this process");
    };
    EXPECT_TRUE(is_true_in_child(names_fork));
    EXPECT_FALSE(names_fork());
}

TEST(LoopFork, ChildMayCreateLoopWhileParentCreatesOthers) {
    std::atomic<bool> is_over = false;
    std::jthread creates([&] {
        while (!is_over) const eddy::core other;
    });
    for (int i = 0; i < 50; ++i)
        EXPECT_TRUE(is_true_in_child([] {
            eddy::core mine;
            return mine.run(number(1)) == 1;
        }));
    is_over = true;
}

TEST(LoopFork, LoopOfChildIsInMetricsAfterTheEndOfParentsLoop) {
    auto of_parent = std::make_unique<eddy::core>();
    EXPECT_TRUE(is_true_in_child([&] {
        const eddy::core mine;
        of_parent.reset();
        return eddy::metrics_text().contains("loop-" + std::to_string(mine.id()) + '"');
    }));
}

TEST_F(RuntimeFork, ShutdownInForkedChildReturnsImmediately) {
    EXPECT_TRUE(is_true_in_child([&] {
        std::move(*rt).shutdown_timeout(1h);
        return true;
    }));
    EXPECT_TRUE(is_true_in_child([&] {
        std::move(*rt).shutdown_background();
        return true;
    }));
    EXPECT_TRUE(is_true_in_child([&] {
        std::move(*rt).shutdown_now().wait();
        return true;
    }));
    EXPECT_TRUE(is_true_in_child([&] {
        eddy::wait(std::move(*rt).shutdown_on_idle());
        return true;
    }));
    EXPECT_EQ(rt->block_on(number(1)), 1);
}

TEST_F(RuntimeFork, DestructorInChildForkedByTaskReturnsImmediately) {
    EXPECT_TRUE(rt->block_on([](auto& mine) -> eddy::task<bool> {
        co_return is_true_in_child([&] {
            mine.reset();
            return true;
        });
    }(rt)));
}

// covers: R020
TEST_F(RuntimeFork, WaitInForkedChildThrowsMisuse) {
    const auto says_so = [](const std::string& text) { return text.find("new runtime in the child") != text.npos; };
    EXPECT_TRUE(is_true_in_child([&] { return says_so(text_of_misuse([&] { rt->block_on(eddy::ready()); })); }));
    EXPECT_TRUE(is_true_in_child([&] { return says_so(text_of_misuse([&] { rt->wait_until_idle(); })); }));
    EXPECT_TRUE(
        is_true_in_child([&] { return says_so(text_of_misuse([&] { std::move(*rt).block_on_all(eddy::ready()); })); }));
}

TEST_F(RuntimeFork, TaskSpawnedInForkedChildIsCancelled) {
    const auto is_cancelled = [](auto job) {
        const bool ended = job.is_finished();
        const auto outcome = eddy::wait(job);
        return ended && !outcome && outcome.error().is_cancelled();
    };
    EXPECT_TRUE(is_true_in_child([&] { return is_cancelled(rt->spawn(nothing())); }));
    EXPECT_TRUE(is_true_in_child([&] {
        const auto guard = rt->enter();
        return is_cancelled(eddy::spawn_blocking([] {}));
    }));
    EXPECT_TRUE(is_true_in_child([&] {
        const auto guard = rt->enter();
        eddy::wait(eddy::scope([](auto& s) -> eddy::task<> {
            s.spawn([]() -> eddy::task<> { co_return; });
            co_return;
        }));
        return true;
    }));
}

TEST_F(RuntimeFork, AbortInForkedChildKeepsParentsTask) {
    const auto is_gone = std::make_shared<std::atomic<bool>>(false);
    auto job = rt->spawn(support::hold(support::last_words([is_gone] { *is_gone = true; })));
    EXPECT_TRUE(is_true_in_child([&] {
        job.abort();
        rt.reset();
        return !*is_gone && !job.is_finished();
    }));
    EXPECT_FALSE(job.is_finished());
}

#ifdef __linux__
TEST(SuspectedDeadlocksFork, ForkedChildStartsItsOwnThread) {
    if (support::under_thread_sanitizer) GTEST_SKIP() << "ThreadSanitizer ends a forked child that starts threads";
    const auto starts_thread = [] {
        const auto before = eddy::sys::thread_count();
        const bool is_on = eddy::report_suspected_deadlocks({.longer_than = 1h}).has_value();
        return is_on && before && eddy::sys::thread_count() == *before + 1;
    };
    EXPECT_TRUE(
        is_true_in_child([&] { return starts_thread() && !starts_thread() && is_true_in_child(starts_thread); }));
}
#endif

TEST(SuspectedDeadlocks, LimitThatIsNotPositiveIsRefused) {
    EXPECT_EQ(eddy::report_suspected_deadlocks({.longer_than = 0ms}).error(), std::errc::invalid_argument);
    EXPECT_EQ(eddy::report_suspected_deadlocks({.longer_than = -1ms}).error(), std::errc::invalid_argument);
}

// covers: R020
TEST_F(RuntimeFork, ForkedChildCanMakeItsOwnRuntime) {
    if (support::under_thread_sanitizer) GTEST_SKIP() << "ThreadSanitizer ends a forked child that starts threads";
    EXPECT_TRUE(is_true_in_child([&] {
        auto mine = support::make_runtime(2);
        const bool works = mine.block_on(number(1)) == 1;
        // The new runtime can replace the object of the parent's runtime.
        *rt = std::move(mine);
        return works && rt->block_on(number(2)) == 2;
    }));
}

}  // namespace
