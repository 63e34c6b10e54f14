// SPDX-License-Identifier: MIT
#include <eddy/abort_on_drop.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

#include <eddy/ready.hpp>
#include <eddy/select.hpp>
#include <eddy/spawn.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task.hpp>
#include <eddy/yield_now.hpp>

#include "support/runtimes.hpp"

namespace {

using eddy::abort_on_drop_handle;
using eddy::task;
using eddy::sync::oneshot;
using support::everywhere;

/// Never ends; its sender tells of its end by being destroyed.
task<int> holds(oneshot<int>::sender) {
    co_await eddy::pending<void>();
    co_return 0;
}

TEST(AbortOnDrop, AbortsItsTask) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        {
            const abort_on_drop_handle handle(eddy::spawn(holds(std::move(ends.sender))));
            co_await eddy::yield_now();
            EXPECT_FALSE(handle.is_finished());
        }
        auto told = co_await ends.receiver;
        EXPECT_FALSE(told.has_value());
    });
}

TEST(AbortOnDrop, GivesTheOutput) {
    everywhere([]() -> task<> {
        abort_on_drop_handle handle(eddy::spawn([]() -> task<int> {
            co_await eddy::yield_now();
            co_return 7;
        }));
        const eddy::task_id id = handle.id();
        EXPECT_NE(id, 0u);
        auto output = co_await handle;
        EXPECT_EQ(output.value(), 7);
        EXPECT_EQ(handle.id(), 0u);
        EXPECT_TRUE(handle.is_finished());
    });
}

TEST(AbortOnDrop, BorrowedItsTaskGoesOn) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        abort_on_drop_handle handle(eddy::spawn([](oneshot<int>::receiver rx) -> task<int> {
            auto got = co_await rx;
            co_return got.value();
        }(std::move(ends.receiver))));
        auto first = co_await eddy::select(std::ref(handle), eddy::yield_now());
        EXPECT_EQ(first.index(), 1u);
        static_cast<void>(ends.sender.send(3));
        auto output = co_await handle;
        EXPECT_EQ(output.value(), 3);
    });
}

TEST(AbortOnDrop, ALoserOfSelectIsAborted) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        auto first =
            co_await eddy::select(abort_on_drop_handle(eddy::spawn(holds(std::move(ends.sender)))), eddy::yield_now());
        EXPECT_EQ(first.index(), 1u);
        auto told = co_await ends.receiver;
        EXPECT_FALSE(told.has_value());
    });
}

TEST(AbortOnDrop, DetachGivesThePlainHandle) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        std::optional<eddy::join_handle<int>> plain;
        {
            abort_on_drop_handle handle(eddy::spawn([](oneshot<int>::receiver rx) -> task<int> {
                auto got = co_await rx;
                co_return got.value();
            }(std::move(ends.receiver))));
            plain.emplace(handle.detach());
        }
        static_cast<void>(ends.sender.send(3));
        auto output = co_await *plain;
        EXPECT_EQ(output.value(), 3);
    });
}

TEST(AbortOnDrop, AssigningAbortsTheFormerTask) {
    everywhere([]() -> task<> {
        auto first = oneshot<int>::channel();
        auto second = oneshot<int>::channel();
        abort_on_drop_handle handle(eddy::spawn(holds(std::move(first.sender))));
        handle = abort_on_drop_handle(eddy::spawn(holds(std::move(second.sender))));
        auto told = co_await first.receiver;
        EXPECT_FALSE(told.has_value());
        EXPECT_FALSE(handle.is_finished());
        handle.abort();
        auto output = co_await handle;
        EXPECT_TRUE(output.error().is_cancelled());
    });
}

TEST(AbortOnDrop, TakesTheHandleOfAClosure) {
    everywhere([]() -> task<> {
        auto text = std::make_unique<int>(4);
        abort_on_drop_handle handle(eddy::spawn([text = std::move(text)] { return *text; }));
#ifdef EDDY_CLOSURES_DIE_TWICE
        static_assert(eddy::detail::is_marked<decltype(handle)>);
#endif
        abort_on_drop_handle<int> plain(std::move(handle));
        auto output = co_await std::move(plain);
        EXPECT_EQ(output.value(), 4);
    });
}

TEST(AbortOnDrop, ItsAbortHandleOutlivesIt) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        std::optional<eddy::abort_handle> aborts;
        {
            const abort_on_drop_handle handle(eddy::spawn(holds(std::move(ends.sender))));
            aborts.emplace(handle.abort_handle());
        }
        while (!aborts->is_finished()) co_await eddy::yield_now();
        aborts->abort();
    });
}

}  // namespace
