// SPDX-License-Identifier: MIT
// Errors that tasks return and that no code reads.
#include <eddy/prelude.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <exception>
#include <expected>
#include <mutex>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace {

using eddy::result;
using eddy::task;
using eddy::unobserved_error;

/// Collects the errors that a hook receives.
class error_log {
public:
    [[nodiscard]] eddy::unobserved_error_handler handler() {
        return [this](const unobserved_error& error) {
            const std::lock_guard guard(lock_);
            errors_.push_back(error);
            names_.emplace_back(error.task_name);
        };
    }
    [[nodiscard]] std::vector<unobserved_error> errors() const {
        const std::lock_guard guard(lock_);
        return errors_;
    }
    [[nodiscard]] std::vector<std::string> names() const {
        const std::lock_guard guard(lock_);
        return names_;
    }

private:
    mutable std::mutex lock_;
    std::vector<unobserved_error> errors_;
    std::vector<std::string> names_;
};

task<result<int>> fails() {
    co_await eddy::yield_now();
    co_return std::unexpected(make_error_code(std::errc::broken_pipe));
}

/// Runs on an event loop, and on runtimes with 1 and 3 workers.
class UnobservedError : public testing::TestWithParam<unsigned> {
protected:
    template <class F>
    void run(F&& main) {
        if (GetParam() == 0) {
            auto loop = configured(eddy::core::builder()).build().value();
            loop.run(main());
            loop.run_until_idle();
        } else {
            auto pool = configured(eddy::runtime::builder().worker_threads(GetParam())).build().value();
            pool.block_on(main());
            pool.wait_until_idle();
        }
    }

    error_log log;
    std::atomic<unsigned> thrown = 0;  // the exceptions that no code has read

private:
    template <class Builder>
    Builder configured(Builder builder) {
        builder.on_unobserved_error(log.handler());
        builder.on_uncaught([this](std::exception_ptr, const std::source_location&) { ++thrown; });
        return builder;
    }
};
INSTANTIATE_TEST_SUITE_P(Executors, UnobservedError, testing::Values(0u, 1u, 3u));

// covers: P132 I20.2.1
TEST_P(UnobservedError, DetachedTasksErrorReachesTheHook) {
    unsigned line = 0;
    run([&]() -> task<void> {
        line = std::source_location::current().line() + 1;
        eddy::spawn(fails());
        co_return;
    });
    const auto errors = log.errors();
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_EQ(errors[0].code, std::errc::broken_pipe);
    EXPECT_EQ(errors[0].message, make_error_code(std::errc::broken_pipe).message());
    EXPECT_EQ(errors[0].spawned_at.line(), line);
}

// covers: I20.2.1
TEST_P(UnobservedError, DetachAfterTaskEndReportsItsError) {
    run([]() -> task<void> {
        auto handle = eddy::spawn(fails());
        while (!handle.is_finished()) co_await eddy::yield_now();
        handle.detach();
    });
    EXPECT_EQ(log.errors().size(), 1u);
}

TEST_P(UnobservedError, JoinedErrorIsNotReported) {
    std::optional<result<int>> got;
    run([&]() -> task<void> {
        auto handle = eddy::spawn(fails());
        auto joined = co_await handle;
        got = std::move(*joined);
    });
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->error(), std::errc::broken_pipe);
    EXPECT_TRUE(log.errors().empty());
}

TEST_P(UnobservedError, SuccessIsNotReported) {
    run([]() -> task<void> {
        eddy::spawn([]() -> task<result<int>> { co_return 1; });
        eddy::spawn([]() -> result<void> { return eddy::ok(); });
        co_return;
    });
    EXPECT_TRUE(log.errors().empty());
}

TEST_P(UnobservedError, AbortedTaskIsNotReported) {
    run([]() -> task<void> {
        auto handle = eddy::spawn([]() -> task<result<int>> {
            co_await eddy::pending<void>();
            co_return 1;
        });
        handle.abort();
        co_return;
    });
    EXPECT_TRUE(log.errors().empty());
}

TEST_P(UnobservedError, ErrorOfNamedTaskHasItsName) {
    run([]() -> task<void> {
        eddy::task_builder().name("uploader").spawn(fails());
        co_return;
    });
    ASSERT_EQ(log.names().size(), 1u);
    EXPECT_EQ(log.names()[0], "uploader");
}

TEST_P(UnobservedError, ErrorOfBlockingWorkReachesTheHook) {
    if (GetParam() == 0) GTEST_SKIP() << "blocking work of an event loop runs on threads of the process";
    run([]() -> task<void> {
        static_cast<void>(eddy::spawn_blocking(
            []() -> result<void> { return std::unexpected(make_error_code(std::errc::no_space_on_device)); }));
        co_return;
    });
    ASSERT_EQ(log.errors().size(), 1u);
    EXPECT_EQ(log.errors()[0].code, std::errc::no_space_on_device);
}

TEST_P(UnobservedError, NestedResultErrorReachesTheHook) {
    run([]() -> task<void> {
        eddy::spawn([]() -> task<std::expected<result<int>, std::string>> { co_return co_await fails(); });
        co_return;
    });
    ASSERT_EQ(log.errors().size(), 1u);
    EXPECT_EQ(log.errors()[0].code, std::errc::broken_pipe);
}

TEST_P(UnobservedError, TextOfAnotherErrorTypeIsKept) {
    run([]() -> task<void> {
        eddy::spawn([]() -> std::expected<void, std::string> { return std::unexpected("no such user"); });
        co_return;
    });
    ASSERT_EQ(log.errors().size(), 1u);
    EXPECT_EQ(log.errors()[0].message, "no such user");
    EXPECT_FALSE(log.errors()[0].code);
}

TEST_P(UnobservedError, RuntimeShutdownErrorIsNotReported) {
    run([]() -> task<void> {
        eddy::spawn(
            []() -> task<result<void>> { co_return std::unexpected(make_error_code(eddy::errc::runtime_shutdown)); });
        co_return;
    });
    EXPECT_TRUE(log.errors().empty());
}

// The scope throws the error of its child, because its body returns no result.
TEST_P(UnobservedError, RuntimeShutdownErrorOfAChildIsNotReported) {
    run([]() -> task<void> {
        eddy::spawn([]() -> task<void> {
            co_await eddy::scope([](auto& s) -> task<void> {
                s.spawn([]() -> task<result<void>> {
                    co_return std::unexpected(make_error_code(eddy::errc::runtime_shutdown));
                });
                co_return;
            });
        });
        co_return;
    });
    EXPECT_EQ(thrown, 0u);
}

TEST_P(UnobservedError, FailedTasksOfADroppedJoinSetAreReported) {
    run([]() -> task<void> {
        eddy::join_set<result<int>> set;
        const auto aborts = set.spawn(fails());
        while (!aborts.is_finished()) co_await eddy::yield_now();
    });
    EXPECT_EQ(log.errors().size(), 1u);
}

// covers: P132 I20.2.3
TEST(UnobservedErrorText, DefaultPrintsOneLineWithTheCallSite) {
    testing::internal::CaptureStderr();
    unsigned line = 0;
    {
        eddy::core core;
        core.run([](unsigned& at) -> task<void> {
            at = std::source_location::current().line() + 1;
            eddy::spawn(fails());
            co_return;
        }(line));
        core.run_until_idle();
    }
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_EQ(text, "eddy: a task spawned at " + std::string(__FILE__) + ':' + std::to_string(line) + " failed: " +
                        make_error_code(std::errc::broken_pipe).message() + " (no code has read this error)\n");
}

TEST(UnobservedErrorDeathTest, MessageNamesThrowingHookAndItsException) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const auto run = [](eddy::core core) {
        core.run([]() -> task<void> {
            eddy::spawn(fails());
            eddy::spawn([]() -> task<void> { throw std::runtime_error("a task's exception"); });
            co_return;
        }());
        core.run_until_idle();
    };
    const auto hook = [](const auto&...) { throw std::runtime_error("cannot log"); };
    EXPECT_DEATH(run(eddy::core::builder().on_unobserved_error(hook).build().value()),
                 "eddy: the function given to on_unobserved_error.. threw an exception.*: cannot log");
    EXPECT_DEATH(run(eddy::core::builder().on_uncaught(hook).build().value()),
                 "eddy: the function given to on_uncaught.. threw an exception.*: cannot log");
}

// covers: I20.2.1
TEST(UnobservedErrorText, LocalSetUsesTheHookOfItsLoop) {
    error_log log;
    auto core = eddy::core::builder().on_unobserved_error(log.handler()).build().value();
    core.run([]() -> task<void> {
        eddy::local_set set;
        set.spawn_local(fails()).detach();
        co_await set;
    }());
    EXPECT_EQ(log.errors().size(), 1u);
}

}  // namespace
