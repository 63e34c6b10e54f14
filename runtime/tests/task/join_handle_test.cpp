// SPDX-License-Identifier: MIT
// Join handles: outputs, exceptions, use on other threads, and outputs that are never joined.
#include <eddy/task/join_handle.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/try.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/polling.hpp"
#include "support/runtime/on_executor.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::join_handle;
using eddy::task;
using eddy::sync::oneshot;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::async_gate;
using support::census;

static_assert(std::is_nothrow_move_constructible_v<join_handle<int>>);
static_assert(!std::is_copy_constructible_v<join_handle<int>>);
static_assert(eddy::future<join_handle<void>>);
static_assert(std::is_copy_constructible_v<eddy::abort_handle>);

/// Runs on an event loop and on runtimes with 1, 2 and 4 workers.
class JoinHandle : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, JoinHandle, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

task<int> throws(const char* text) {
    co_await eddy::yield_now();
    throw std::runtime_error(text);
    co_return 0;
}

/// Returns the text of the exception that a failed task threw.
template <class T>
std::string text_of(const std::expected<T, eddy::join_error>& ended) {
    try {
        ended.error().rethrow();
    } catch (const std::exception& e) {
        return e.what();
    }
}

template <class H>
task<void> until_finished(const H& handle) {
    while (!handle.is_finished()) co_await eddy::yield_now();
}

// ---- Outputs and exceptions ----

// covers: P015
TEST_P(JoinHandle, AwaitReturnsOutputOfAnyWork) {
    const auto main = []() -> task<void> {
        const auto value = co_await eddy::spawn([]() -> task<std::string> {
            co_await eddy::yield_now();
            co_return "seven";
        });
        EXPECT_EQ(value.value(), "seven");
        auto moved = co_await eddy::spawn([]() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(8); });
        EXPECT_EQ(**moved, 8);
        EXPECT_TRUE((co_await eddy::spawn([]() -> task<void> { co_return; })).has_value());
        EXPECT_EQ((co_await eddy::spawn(eddy::ready(9))).value(), 9);
        EXPECT_EQ((co_await eddy::spawn([] { return 10; })).value(), 10);
        EXPECT_TRUE((co_await eddy::spawn([] {})).has_value());
        const auto both = co_await eddy::spawn(
            []() -> task<eddy::result<int>> { co_return std::unexpected(std::make_error_code(std::errc::io_error)); });
        EXPECT_EQ(both.value().error(), std::errc::io_error) << "an error that the task returns is a value of the join";
    };
    on.run(main());
}

// covers: P016 P018 R141
TEST_P(JoinHandle, ExceptionsAreDeliveredOnceFromAnySource) {
    struct throws_at_end {
        ~throws_at_end() noexcept(false) { throw std::runtime_error("destructor"); }
    };
    const auto main = [&]() -> task<void> {
        auto before = co_await eddy::spawn([]() -> task<void> {
            throw std::runtime_error("before");
            co_return;
        });
        auto after = co_await eddy::spawn(throws("after"));
        auto child = co_await eddy::spawn([]() -> task<int> { co_return co_await throws("child"); });
        auto plain = co_await eddy::spawn([]() -> int { throw std::runtime_error("plain"); });
        auto future = co_await eddy::spawn(
            eddy::poll_fn([](eddy::context&) -> eddy::poll_result<int> { throw std::runtime_error("future"); }));
        auto makes_none = co_await eddy::spawn([]() -> task<int> { throw std::runtime_error("makes none"); });
        auto at_end = co_await eddy::spawn([]() -> task<int> {
            const throws_at_end local;
            co_return 1;
        });
        EXPECT_EQ(text_of(before), "before");
        EXPECT_EQ(text_of(after), "after");
        EXPECT_EQ(text_of(child), "child");
        EXPECT_EQ(text_of(plain), "plain");
        EXPECT_EQ(text_of(future), "future");
        EXPECT_EQ(text_of(makes_none), "makes none");
        EXPECT_EQ(text_of(at_end), "destructor");
        EXPECT_EQ(after.error().what(), "task " + std::to_string(after.error().id()) + " threw: after");
        EXPECT_FALSE(after.error().is_cancelled());
        EXPECT_THROW(after.error().rethrow(), std::runtime_error);
        EXPECT_THROW(static_cast<void>(after.error().to_error_code()), std::runtime_error);
    };
    on.run(main());
    on.run_until_idle();
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(JoinHandle, NonStandardExceptionsKeepTheirType) {
    const auto main = []() -> task<void> {
        const auto outcome = co_await eddy::spawn([]() -> task<void> {
            throw 42;
            co_return;
        });
        try {
            outcome.error().rethrow();
        } catch (int value) {
            EXPECT_EQ(value, 42);
        }
        EXPECT_FALSE(outcome.error().what().empty());
    };
    on.run(main());
}

// covers: P018
TEST_P(JoinHandle, FailedTaskDoesNotAffectOthers) {
    const auto main = [&]() -> task<int> {
        int sum = 0;
        std::vector<join_handle<int>> handles;
        for (int i = 0; i < 50; ++i) {
            handles.push_back(eddy::spawn([i]() -> task<int> {
                co_await eddy::yield_now();
                if (i % 2 == 0) throw std::runtime_error("even");
                co_return i;
            }));
        }
        for (auto& each : handles) sum += (co_await each).value_or(0);
        co_return sum;
    };
    EXPECT_EQ(on.run(main()), 625);
}

TEST_P(JoinHandle, TryUnwrapsOutput) {
    const auto main = []() -> task<eddy::result<int>> {
        const int value = co_await eddy::try_(eddy::spawn([]() -> task<int> { co_return 4; }));
        EXPECT_EQ(value, 4);
        auto cancelled = eddy::spawn([]() -> task<int> { co_return co_await eddy::pending<int>(); });
        cancelled.abort();
        static_cast<void>(co_await eddy::try_(cancelled));
        ADD_FAILURE() << "the coroutine continued after an error";
        co_return 0;
    };
    const auto outcome = on.run(main());
    EXPECT_EQ(outcome.error(), eddy::errc::task_cancelled);
    EXPECT_EQ(outcome.error(), std::errc::operation_canceled);
}

TEST_P(JoinHandle, TryRethrowsExceptionOfTask) {
    const auto main = []() -> task<eddy::result<int>> { co_return co_await eddy::try_(eddy::spawn(throws("deep"))); };
    try {
        static_cast<void>(on.run(main()));
        ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& e) {
        EXPECT_STREQ(e.what(), "deep");
    }
}

// covers: R130
TEST_P(JoinHandle, CallableLivesAsLongAsItsFuture) {
    census living;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([mine = living.begin_life(), text = std::string(100, 'x')]() -> task<std::size_t> {
            for (int i = 0; i < 3; ++i) co_await eddy::yield_now();
            co_return text.size();
        });
        EXPECT_EQ((co_await handle).value(), 100u);
        EXPECT_EQ(living.alive(), 0) << "the callable must be destroyed with its future";
    };
    on.run(main());
}

TEST_P(JoinHandle, WorksInJoinAndSelect) {
    const auto main = []() -> task<void> {
        auto [first, second] = std::pair(eddy::spawn([] { return 1; }), eddy::spawn([] { return 2; }));
        const auto both = co_await eddy::join(std::move(first), std::move(second));
        const auto& [one, two] = both;
        EXPECT_EQ(one.value() + two.value(), 3);
        auto never = eddy::spawn([]() -> task<void> { co_await eddy::pending(); });
        const auto won = co_await eddy::select(std::ref(never), eddy::ready(1));
        EXPECT_EQ(won.index(), 1u);
        EXPECT_FALSE(never.is_finished());
        never.abort();
        EXPECT_FALSE((co_await never).has_value());
    };
    on.run(main());
}

// ---- State and ids ----

// covers: P016
TEST_P(JoinHandle, IsFinishedWhenNextPollIsReady) {
    async_gate gate;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> { co_await gate.wait(); });
        const auto aborts = handle.abort_handle();
        EXPECT_FALSE(handle.is_finished());
        EXPECT_FALSE(aborts.is_finished());
        gate.open();
        co_await until_finished(handle);
        EXPECT_TRUE(aborts.is_finished());
        by_hand joined(std::move(handle));
        EXPECT_TRUE(joined.poll().is_ready());
        EXPECT_TRUE(aborts.is_finished());
        EXPECT_TRUE(joined.future().is_finished());
    };
    on.run(main());
}

TEST_P(JoinHandle, TasksHaveUniqueIds) {
    const auto main = [&]() -> task<void> {
        auto first = eddy::spawn([] {});
        auto second = eddy::spawn([] {});
        EXPECT_NE(first.id(), second.id());
        EXPECT_NE(first.id(), 0u);
        EXPECT_EQ(first.abort_handle().id(), first.id());
        const auto id = first.id();
        second.abort();
        static_cast<void>(co_await first);
        EXPECT_EQ(first.id(), 0u);
        auto third = eddy::spawn([]() -> task<void> { co_await eddy::pending(); });
        const auto number = third.id();
        third.abort();
        const auto cancelled = co_await third;
        EXPECT_EQ(cancelled.error().id(), number);
        EXPECT_NE(number, id);
        const auto text =
            "task " + std::to_string(number) + " was cancelled, by abort() or since its runtime shut down";
        EXPECT_EQ(cancelled.error().what(), text);
        try {
            cancelled.error().rethrow();
        } catch (const std::system_error& e) {
            EXPECT_EQ(e.what(), text);
            EXPECT_EQ(e.code(), eddy::errc::task_cancelled);
        }
    };
    on.run(main());
}

TEST_P(JoinHandle, TaskSeesItsOwnId) {
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([]() -> task<std::optional<eddy::task_id>> {
            co_await eddy::yield_now();
            co_return eddy::current_task_id();
        });
        const auto id = handle.id();
        EXPECT_EQ((co_await handle).value(), id);
    };
    on.run(main());
    EXPECT_EQ(eddy::current_task_id(), std::nullopt);
}

TEST_P(JoinHandle, AwaitAfterOutputThrowsMisuse) {
    const auto main = []() -> task<void> {
        auto handle = eddy::spawn([] { return 1; });
        EXPECT_EQ((co_await handle).value(), 1);
        std::string text;
        try {
            static_cast<void>(co_await handle);
        } catch (const eddy::misuse& e) {
            text = e.what();
        }
        EXPECT_NE(text.find("has given its output already, or was moved from, or detached"), std::string::npos) << text;
        EXPECT_NE(text.find("await a handle once, and keep its output"), std::string::npos) << text;
        text = support::text_of_misuse([&] { static_cast<void>(handle.abort_handle()); });
        EXPECT_NE(text.find("abort_handle() was called on a join handle that is empty"), std::string::npos) << text;
        EXPECT_NE(text.find("join_handle_test.cpp:"), std::string::npos) << text;
        handle.abort();  // has no effect
        EXPECT_TRUE(handle.is_finished());
    };
    on.run(main());
}

TEST(JoinHandleMisuse, SpawnOutsideRuntimeThrowsMisuse) {
    census living;
    const auto text = support::text_of_misuse([&] { eddy::spawn([mine = living.begin_life()] {}); });
    EXPECT_NE(text.find("spawn needs a runtime on this thread"), std::string::npos) << text;
    EXPECT_NE(text.find("join_handle_test.cpp"), std::string::npos) << text;
    EXPECT_EQ(living.alive(), 0);
    const auto background = support::text_of_misuse([] { eddy::spawn_background([] {}); });
    EXPECT_NE(background.find("spawn_background needs a runtime on this thread"), std::string::npos) << background;
    EXPECT_NE(background.find("join_handle_test.cpp"), std::string::npos) << background;
}

TEST_P(JoinHandle, SpawnOfEndedTaskThrowsMisuse) {
    const auto main = []() -> task<void> {
        auto used = []() -> task<void> { co_return; }();
        co_await std::move(used);
        std::string text;
        try {
            eddy::spawn(std::move(used));  // NOLINT(bugprone-use-after-move): the misuse is under test
        } catch (const eddy::misuse& e) {
            text = e.what();
        }
        EXPECT_NE(text.find("after it had ended"), std::string::npos) << text;
        co_return;
    };
    on.run(main());
    on.run_until_idle();
}

TEST_P(JoinHandle, SpawnOfStartedTaskContinuesIt) {
    async_gate gate;
    const auto main = [&]() -> task<void> {
        auto begun = [](async_gate& opens) -> task<int> {
            co_await opens.wait();
            co_return 5;
        }(gate);
        co_await eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            EXPECT_FALSE(begun.poll(cx).is_ready());
            return eddy::poll_result<void>::ready();
        });
        auto handle = eddy::spawn(std::move(begun));
        gate.open();
        EXPECT_EQ((co_await handle).value(), 5);
    };
    on.run(main());
}

// ---- Dropped handles ----

// covers: P015
TEST_P(JoinHandle, DropDetachesTask) {
    async_gate gate;
    std::atomic<int> ended = 0;
    const auto work = [&]() -> task<void> {
        co_await gate.wait();
        ++ended;
    };
    const auto main = [&]() -> task<void> {
        eddy::spawn(work());
        eddy::spawn(work()).detach();
        auto polled = std::make_unique<join_handle<void>>(eddy::spawn(work()));
        {
            by_hand joined(std::move(*polled));
            EXPECT_FALSE(joined.poll().is_ready());
            EXPECT_EQ(joined.wakers(), 1u);
            joined.drop();
            EXPECT_EQ(joined.wakers(), 0u) << "dropping the handle must drop the joiner's waker";
        }
        gate.open();
        co_return;
    };
    on.run(main());
    on.run_until_idle();
    EXPECT_EQ(ended, 3);
}

TEST_P(JoinHandle, EmptyHandleDoesNothing) {
    const auto main = []() -> task<void> {
        auto first = eddy::spawn([] { return 1; });
        first.detach();
        first.detach();
        EXPECT_EQ(first.id(), 0u);
        EXPECT_TRUE(first.is_finished());
        first.abort();
        first = eddy::spawn([] { return 2; });
        auto second = std::move(first);
        EXPECT_EQ((co_await second).value(), 2);
    };
    on.run(main());
}

TEST_P(JoinHandle, UnclaimedOutputIsDestroyed) {
    census living;
    const auto main = [&]() -> task<void> {
        // The handle is dropped after the task has ended.
        auto ended = eddy::spawn([&] { return living.begin_life(); });
        co_await until_finished(ended);
        EXPECT_EQ(living.alive(), 1);
        ended.detach();
        EXPECT_EQ(living.alive(), 0);
        // The handle is dropped before the task ends.
        async_gate gate;
        auto early = eddy::spawn([&]() -> task<census::life> {
            co_await gate.wait();
            co_return living.begin_life();
        });
        const auto watch = early.abort_handle();
        early.detach();
        gate.open();
        co_await until_finished(watch);
        EXPECT_EQ(living.alive(), 0) << "the abort handle must not keep the output alive";
    };
    on.run(main());
    EXPECT_EQ(living.total(), 2);
}

// covers: R037
TEST_P(JoinHandle, ThrowingOutputDestructorIsContained) {
    struct throws_at_end {
        bool armed = true;
        throws_at_end() = default;
        throws_at_end(throws_at_end&& other) noexcept : armed(std::exchange(other.armed, false)) {}
        ~throws_at_end() noexcept(false) {
            if (armed) throw std::runtime_error("an output");
        }
    };
    async_gate gate;
    const auto work = [&]() -> task<throws_at_end> {
        co_await gate.wait();
        co_return throws_at_end();
    };
    const auto main = [&]() -> task<void> {
        eddy::spawn(work());  // dropped before the end
        auto later = eddy::spawn(work());
        gate.open();
        co_await until_finished(later);
        later.detach();  // dropped after the end
        EXPECT_EQ((co_await eddy::spawn([] { return 3; })).value(), 3);
    };
    on.run(main());
    on.run_until_idle();
}

TEST_P(JoinHandle, ThrowingMoveOfOutputReachesJoiner) {
    struct throws_when_moved {
        census::life alive;
        const std::atomic<bool>* armed;

        throws_when_moved(census& living, const std::atomic<bool>& when) : alive(living.begin_life()), armed(&when) {}
        throws_when_moved(throws_when_moved&& other) : alive(std::move(other.alive)), armed(other.armed) {
            if (*armed) throw std::runtime_error("moved");
        }
    };
    census living;
    std::atomic<bool> armed = false;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&] { return throws_when_moved(living, armed); });
        co_await until_finished(handle);
        EXPECT_EQ(living.alive(), 1);
        armed = true;
        std::string text;
        try {
            const auto joined = co_await handle;
            text = joined.has_value() ? "a value" : "an error";
        } catch (const std::runtime_error& thrown) {
            text = thrown.what();
        }
        EXPECT_EQ(text, "moved");
        EXPECT_EQ(handle.id(), 0u) << "the output was taken";
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

// covers: R141
TEST_P(JoinHandle, UnjoinedExceptionIsReportedOnceWithSpawnLine) {
    async_gate gate;
    std::vector<unsigned> lines;
    const auto main = [&]() -> task<void> {
        // The handle is dropped before the task ends.
        lines.push_back(std::source_location::current().line() + 1);
        eddy::spawn([&]() -> task<void> {
            co_await gate.wait();
            throw std::runtime_error("early");
        });
        gate.open();
        while (on.reports().empty()) co_await eddy::yield_now();
        // The handle is dropped after the task has ended, inside the runtime.
        lines.push_back(std::source_location::current().line() + 1);
        auto handle = eddy::spawn(throws("late"));
        co_await until_finished(handle);
        EXPECT_EQ(on.reports().size(), 1u);
        handle.detach();
    };
    on.run(main());
    on.run_until_idle();
    const auto reports = on.reports();
    ASSERT_EQ(reports.size(), 2u);
    EXPECT_EQ(reports[0].text, "early");
    EXPECT_EQ(reports[1].text, "late");
    EXPECT_EQ(reports[0].line, lines[0]);
    EXPECT_EQ(reports[1].line, lines[1]);
}

TEST_P(JoinHandle, CancelledTasksAreNotReported) {
    const auto main = []() -> task<void> {
        for (int i = 0; i < 10; ++i) {
            auto handle = eddy::spawn([]() -> task<void> { co_await eddy::pending(); });
            handle.abort();
        }
        co_return;
    };
    on.run(main());
    on.run_until_idle();
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(JoinHandle, DiscardedExceptionIsReportedWithSpawnLine) {
    unsigned line = 0;
    const auto main = [&]() -> task<void> {
        line = std::source_location::current().line() + 1;
        auto handle = eddy::spawn(throws("discarded"));
        static_cast<void>(co_await handle);
        EXPECT_EQ(on.reports().size(), 1u);
    };
    on.run(main());
    const auto reports = on.reports();
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(reports[0].text, "discarded");
    EXPECT_EQ(reports[0].line, line);
}

TEST_P(JoinHandle, ExceptionIsNotReportedOnceItWasRead) {
    using reader = void (*)(const eddy::join_error&);
    constexpr std::array<reader, 6> readers{
        [](const auto& error) { EXPECT_FALSE(error.is_cancelled()); },
        [](const auto& error) { EXPECT_NE(error.exception(), nullptr); },
        [](const auto& error) { EXPECT_FALSE(error.what().empty()); },
        [](const auto& error) { EXPECT_THROW(error.rethrow(), std::runtime_error); },
        [](const auto& error) { EXPECT_THROW(static_cast<void>(error.to_error_code()), std::runtime_error); },
        [](const auto& error) { const eddy::join_error copy(error); },
    };
    const auto main = [&]() -> task<void> {
        for (const reader read : readers) {
            auto ended = co_await eddy::spawn(throws("read"));
            read(ended.error());
        }
    };
    on.run(main());
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(JoinHandle, MovedExceptionIsReportedIfItIsNotReadThere) {
    const auto main = [&]() -> task<void> {
        auto first = co_await eddy::spawn(throws("first"));
        auto second = co_await eddy::spawn(throws("second"));
        first = std::move(second);
        EXPECT_EQ(on.reports().size(), 1u) << "the assignment has destroyed an error that was not read";
        const auto third = std::move(first);
        EXPECT_EQ(on.reports().size(), 1u);
    };
    on.run(main());
    const auto reports = on.reports();
    ASSERT_EQ(reports.size(), 2u);
    EXPECT_EQ(reports[0].text, "first");
    EXPECT_EQ(reports[1].text, "second");
}

// ---- A task that awaits itself ----

TEST_P(JoinHandle, TaskThatAwaitsItselfIsMisuse) {
    std::optional<eddy::misuse> thrown;
    unsigned line = 0;
    const auto awaits_itself = [&](oneshot<join_handle<void>>::receiver receives) -> task<void> {
        auto handle = co_await std::move(receives);
        try {
            line = std::source_location::current().line() + 1;
            static_cast<void>(co_await *handle);
        } catch (const eddy::misuse& e) {
            thrown = e;
        }
    };
    const auto main = [&]() -> task<void> {
        auto [tx, rx] = oneshot<join_handle<void>>::channel();
        auto handle = eddy::spawn(awaits_itself(std::move(rx)));
        const auto aborts = handle.abort_handle();
        EXPECT_TRUE(tx.send(std::move(handle)).has_value());
        while (!aborts.is_finished()) co_await eddy::yield_now();
    };
    on.run(main());
    ASSERT_TRUE(thrown.has_value());
    EXPECT_NE(std::string(thrown->what()).find("a task awaits its own join handle"), std::string::npos);
    EXPECT_EQ(thrown->where().line(), line);
}

// ---- Other threads ----

TEST_P(JoinHandle, CanBeMovedToAnotherThread) {
    async_gate gate;
    std::thread other;
    std::atomic<int> got = 0;
    std::atomic<bool> is_over = false;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<int> {
            co_await gate.wait();
            co_return 6;
        });
        // Polls here first, so that the handle holds a waker of this task.
        co_await eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            EXPECT_FALSE(handle.poll(cx).is_ready());
            return eddy::poll_result<void>::ready();
        });
        other = std::thread([&, mine = std::move(handle)]() mutable {
            by_hand joined(std::move(mine));
            EXPECT_FALSE(joined.poll().is_ready());
            EXPECT_FALSE(joined.poll().is_ready());
            gate.open();
            got = eddy::wait(joined.future()).value();
            is_over = true;
        });
        while (!is_over) co_await eddy::yield_now();
    };
    on.run(main());
    other.join();
    EXPECT_EQ(got, 6);
}

TEST_P(JoinHandle, MayOutliveRuntime) {
    std::vector<join_handle<int>> waiting;
    std::vector<join_handle<int>> ended;
    std::optional<eddy::abort_handle> aborts;
    const auto main = [&]() -> task<void> {
        for (int i = 0; i < 4; ++i) {
            waiting.push_back(eddy::spawn([]() -> task<int> { co_return co_await eddy::pending<int>(); }));
            ended.push_back(eddy::spawn([i] { return i; }));
            co_await until_finished(ended.back());
        }
        aborts = waiting[0].abort_handle();
        co_return;
    };
    on.run(main());
    by_hand polled(std::move(waiting.back()));
    EXPECT_FALSE(polled.poll().is_ready());
    on.end();
    EXPECT_TRUE(polled.is_woken());
    EXPECT_TRUE(assert_ready(polled.poll()).error().is_cancelled());
    EXPECT_EQ(eddy::wait(ended[2]).value(), 2);
    EXPECT_TRUE(eddy::wait(waiting[0]).error().is_cancelled());
    aborts->abort();
    EXPECT_TRUE(aborts->is_finished());
    std::thread([mine = std::move(ended[1]), other = std::move(waiting[1])]() mutable {
        EXPECT_EQ(eddy::wait(mine).value(), 1);
        EXPECT_TRUE(eddy::wait(other).error().is_cancelled());
    }).join();
}

TEST_P(JoinHandle, WakesWakerOfLastPoll) {
    async_gate gate;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> { co_await gate.wait(); });
        eddy::test::wake_counter first;
        eddy::test::wake_counter second;
        const auto one = first.waker();
        const auto two = second.waker();
        EXPECT_FALSE(support::poll_with(handle, one).is_ready());
        EXPECT_FALSE(support::poll_with(handle, one).is_ready());
        EXPECT_EQ(first.wakers(), 2u);
        EXPECT_FALSE(support::poll_with(handle, two).is_ready());
        EXPECT_EQ(first.wakers(), 1u) << "the first waker must be dropped";
        gate.open();
        co_await until_finished(handle);
        // is_finished() may be true before the joiner is woken.
        while (second.wakes() == 0) co_await eddy::yield_now();
        EXPECT_EQ(first.wakes(), 0u);
        EXPECT_EQ(second.wakes(), 1u);
        EXPECT_TRUE(support::poll_with(handle, one).is_ready());
    };
    on.run(main());
}

TEST_P(JoinHandle, AwaitConsumesCoopBudget) {
    const auto main = []() -> task<void> {
        std::vector<join_handle<int>> handles;
        for (int i = 0; i < 1000; ++i) handles.push_back(eddy::spawn([i] { return i; }));
        for (const auto& each : handles) co_await until_finished(each);
        int sum = 0;
        auto all = [](std::vector<join_handle<int>>& from, int& to) -> task<void> {
            for (auto& each : from) to += (co_await each).value();
        }(handles, sum);
        by_hand joined(std::move(all));
        int polls = 0;
        while (!joined.poll().is_ready()) {
            ++polls;
            EXPECT_TRUE(joined.is_woken());
        }
        EXPECT_GE(polls, 7);  // 1000 / 128
        EXPECT_EQ(sum, 499'500);
    };
    on.run(main());
}

}  // namespace
