// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <new>
#include <semaphore>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/executors.hpp>

#include "job.hpp"

// Operations: what happens to their work when they are awaited, fail, or are dropped.

namespace {

namespace fs = eddy::fs;

TEST(FsError, MessageNamesOperationAndPaths) {
    const auto denied = std::make_error_code(std::errc::permission_denied);
    EXPECT_EQ(fs::error(denied, "open", "/etc/x").message(), "open /etc/x: Permission denied");
    EXPECT_EQ(fs::error(denied, "rename", "/a", "/b").message(), "rename /a to /b: Permission denied");
    EXPECT_EQ(fs::error(denied, "read").message(), "read: Permission denied");
    EXPECT_EQ(fs::error(denied, "read"), std::errc::permission_denied);
}

TEST(FsError, SystemsThatCannotWatchSaySo) {
    const fs::error made(fs::errc::unwatchable, "watch", "/x");
    EXPECT_EQ(made, std::errc::not_supported);
    EXPECT_EQ(made.message(), "watch /x: fs::watch() is not available on this system");
}

fs::operation<int> fails() {
    return fs::detail::blocking(fs::detail::call("open", "/x"), [](const fs::detail::call&) -> eddy::result<int> {
        return std::unexpected(std::make_error_code(std::errc::io_error));
    });
}

TEST(FsError, TryConvertsToAnErrorCode) {
    auto work = []() -> eddy::task<eddy::result<int>> {
        const int value = co_await eddy::try_(fails());
        co_return value;
    };
    support::executor runs(1);
    EXPECT_EQ(runs.run(work()).error(), std::errc::io_error);
}

TEST(FsOperation, ErrorHasOperationAndPathOnEachExecutor) {
    for (const unsigned workers : {0U, 1U}) {
        support::executor runs(workers);
        const auto output = runs.run(fails());
        ASSERT_FALSE(output);
        EXPECT_EQ(output.error().message(), "open /x: Input/output error");
    }
}

TEST(FsOperation, ExceptionsOfTheLibraryBecomeErrors) {
    const auto throwing = [](auto exception) {
        return fs::detail::blocking(fs::detail::call("read", "/x"),
                                    [exception](const fs::detail::call&) -> eddy::result<int> { throw exception; });
    };
    support::executor runs(0);
    EXPECT_EQ(runs.run(throwing(std::bad_alloc())).error(), std::errc::not_enough_memory);
    EXPECT_EQ(runs.run(throwing(std::length_error("too long"))).error(), std::errc::not_enough_memory);
    const auto denied = std::system_error(std::make_error_code(std::errc::permission_denied));
    EXPECT_EQ(runs.run(throwing(denied)).error().message(), "read /x: Permission denied");
}

TEST(FsOperation, DropBeforeTheFirstPollDoesNothing) {
    bool has_run = false;
    {
        auto dropped = fs::detail::blocking(fs::detail::call("x", {}), [&](const fs::detail::call&) {
            has_run = true;
            return eddy::ok();
        });
        static_cast<void>(dropped);
    }
    EXPECT_FALSE(has_run);
}

TEST(FsOperation, DropWhileItRunsDestroysTheResult) {
    std::binary_semaphore begun(0), may_end(0);
    std::atomic<int> values = 0;
    struct counted {
        std::atomic<int>* values;
        explicit counted(std::atomic<int>& all) : values(&all) { ++*values; }
        counted(counted&& other) noexcept : values(other.values) { ++*values; }
        ~counted() { --*values; }
    };
    {
        eddy::runtime runs;
        runs.block_on([&]() -> eddy::task<void> {
            auto slow = fs::detail::blocking(fs::detail::call("x", {}), [&](const fs::detail::call&) {
                begun.release();
                may_end.acquire();
                return eddy::result<counted>(std::in_place, values);
            });
            auto waits = eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
                if (slow.poll(cx)) ADD_FAILURE() << "the work has not ended";
                return eddy::poll_result<void>::ready();
            });
            co_await std::move(waits);
            begun.acquire();
        }());
        may_end.release();
        std::move(runs).shutdown_timeout(std::chrono::seconds(30));
    }
    EXPECT_EQ(values, 0);
}

}  // namespace
