// SPDX-License-Identifier: MIT
// Tasks that are awaited by reference, that throw while they end, and that are moved or destroyed while they run.
// runs: asan, plain
#include <eddy/task/task.hpp>

#include <gtest/gtest.h>

#include <any>
#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/try.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/polling.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::core;
using eddy::task;
using eddy::sync::oneshot;

// ---- References ----

/// Returns 7 after 30 ms.
task<int> slow() {
    co_await eddy::time::sleep(30ms);
    co_return 7;
}

TEST(TaskLifetime, TaskInSelectByReferenceContinuesAfterwards) {
    core loop;
    auto work = slow();
    auto main = [](task<int>& borrowed) -> task<int> {
        for (;;) {
            auto first = co_await eddy::select(std::ref(borrowed), eddy::time::sleep(5ms));
            if (first.index() == 0) co_return std::get<0>(first);
        }
    };
    EXPECT_EQ(loop.run(main(work)), 7);
}

TEST(TaskLifetime, TaskInTimeoutByReferenceContinuesAfterwards) {
    core loop;
    auto [sender, receiver] = oneshot<int>::channel();
    auto work = [](oneshot<int>::receiver from) -> task<int> {
        auto got = co_await from;
        co_return got.value();
    }(std::move(receiver));
    auto main = [](task<int>& borrowed, oneshot<int>::sender to) -> task<int> {
        auto early = co_await eddy::time::timeout(1ms, std::ref(borrowed));
        EXPECT_FALSE(early);
        EXPECT_TRUE(to.send(7).has_value());
        co_return co_await borrowed;
    };
    EXPECT_EQ(loop.run(main(work, std::move(sender))), 7);
}

TEST(TaskLifetime, TryOfLvalueDoesNotMoveFromIt) {
    eddy::result<std::string> kept = std::string("a text that is too long for the small string optimization");
    auto use = [](eddy::result<std::string>& from) -> task<eddy::result<std::size_t>> {
        co_return (co_await eddy::try_(from)).size();
    };
    const auto before = kept->size();
    EXPECT_EQ(eddy::wait(use(kept)).value(), before);
    EXPECT_EQ(kept->size(), before) << "the value was moved out of an lvalue";
}

// With Clang, the constraints of poll_result must not depend on themselves.
TEST(TaskLifetime, FutureOfStdAnyCompiles) { EXPECT_TRUE(eddy::wait(eddy::ready(std::any(1))).has_value()); }

// ---- Exceptions ----

struct throws_in_cancel {
    using output_type = void;
    throws_in_cancel() {}
    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context&) { throw std::runtime_error("poll_cancel threw"); }
};

TEST(TaskLifetime, ExceptionOfPollCancelPropagates) {
    auto inner = []() -> task<void> { co_await throws_in_cancel(); };
    EXPECT_THROW(static_cast<void>(eddy::wait(eddy::select_biased(inner(), eddy::ready()))), std::runtime_error);
}

struct text_error {
    std::string text;
    text_error(std::error_code e) : text(e.message()) {
        if (e == std::errc::io_error) throw std::runtime_error("conversion threw");
    }
};

TEST(TaskLifetime, ExceptionOfErrorConversionPropagates) {
    auto work = []() -> task<std::expected<int, text_error>> {
        co_await eddy::try_(eddy::result<int>(std::unexpect, std::make_error_code(std::errc::io_error)));
        co_return 1;
    };
    EXPECT_THROW(static_cast<void>(eddy::wait(work())), std::runtime_error);
}

struct throws_at_end {
    bool armed = true;
    throws_at_end() {}
    throws_at_end(throws_at_end&& other) noexcept : armed(std::exchange(other.armed, false)) {}
    ~throws_at_end() noexcept(false) {
        if (std::exchange(armed, false)) throw std::runtime_error("a destructor threw");
    }
};

TEST(TaskLifetime, ExceptionOfLocalDestructorInTryPropagates) {
    auto work = []() -> task<eddy::result<int>> {
        throws_at_end local;
        co_await eddy::try_(eddy::result<int>(std::unexpect, std::make_error_code(std::errc::io_error)));
        co_return 1;
    };
    EXPECT_THROW(static_cast<void>(eddy::wait(work())), std::runtime_error);
}

// ---- Misuse ----

TEST(TaskLifetime, AwaitOfEndedTaskNamesCallSite) {
    auto ended = []() -> task<void> { co_return; }();
    eddy::wait(ended);
    std::string said;
    auto awaits = [](task<void>& t, std::string& text) -> task<void> {
        try {
            co_await t;
        } catch (const eddy::misuse& wrong) {
            text = wrong.what();
        }
    };
    eddy::wait(awaits(ended, said));
    EXPECT_NE(said.find("task_lifetime_test.cpp"), std::string::npos) << said;
}

TEST(TaskLifetimeDeathTest, TaskMovedWhileRunningAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<task<void>> a;
            std::optional<task<void>> b;
            auto body = [](std::optional<task<void>>& from, std::optional<task<void>>& to) -> task<void> {
                to.emplace(std::move(*from));
                co_return;
            };
            a.emplace(body(a, b));
            auto w = eddy::waker::noop();
            eddy::context cx(w);
            static_cast<void>(a->poll(cx));
            b.reset();
        },
        "eddy: a task was moved");
}

TEST(TaskLifetime, TaskCancelledInItsOwnPollIsMisuse) {
    std::optional<task<void>> self;
    const auto cancels_itself = [&]() -> task<void> {
        co_await eddy::poll_fn([&](eddy::context& cx) { return self->poll_cancel(cx); });
    };
    self.emplace(cancels_itself());
    EXPECT_TRUE(support::text_of_misuse([&] { eddy::wait(*self); }).contains("was cancelled from inside its own poll"));
}

struct drops_owner_in_cancel {
    using output_type = void;
    std::optional<task<void>>* owner;
    explicit drops_owner_in_cancel(std::optional<task<void>>& o) : owner(&o) {}
    eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
    eddy::poll_result<void> poll_cancel(eddy::context&) {
        owner->reset();
        return eddy::poll_result<void>::ready();
    }
};

TEST(TaskLifetimeDeathTest, TaskDestroyedInItsOwnPollCancelAborts) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            std::optional<task<void>> a;
            a.emplace([](std::optional<task<void>>& o) -> task<void> { co_await drops_owner_in_cancel(o); }(a));
            auto w = eddy::waker::noop();
            eddy::context cx(w);
            static_cast<void>(a->poll(cx));
            static_cast<void>(a->poll_cancel(cx));
        },
        "eddy: a task was destroyed while");
}

}  // namespace
