// SPDX-License-Identifier: MIT
// Aborts of tasks: before, between, during and after the polls of the task, from any thread, and by
// abort_on_drop_handle. (Based on tokio's task_abort.rs.)
// covers: P016
#include <eddy/task/join_handle.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/abort_on_drop.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>

#include "support/executors.hpp"
#include "support/runtime/on_executor.hpp"
#include "support/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::abort_on_drop_handle;
using eddy::join_handle;
using eddy::task;
using eddy::sync::oneshot;
using support::async_gate;
using support::census;
using support::ends_slowly;
using support::everywhere;
using support::wait_for_ever;

/// Runs on an event loop and on runtimes with 1, 2 and 4 workers.
class Abort : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, Abort, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

/// Runs on runtimes with several workers.
class AbortOnWorkers : public support::on_executor {};
INSTANTIATE_TEST_SUITE_P(, AbortOnWorkers, testing::Values(2u, 4u), support::name_of_executor);

template <class T>
bool was_cancelled(const std::expected<T, eddy::join_error>& ended) {
    return !ended && ended.error().is_cancelled();
}

// ---- When an abort takes effect ----

TEST_P(Abort, DestroysFutureOfWaitingTask) {
    census living;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(wait_for_ever(living));
        while (living.total() == 0) co_await eddy::yield_now();
        handle.abort();
        EXPECT_TRUE(was_cancelled(co_await handle));
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

// covers: R137
TEST_P(Abort, PreventsFirstPoll) {
    if (GetParam() > 1) GTEST_SKIP() << "another worker would run it immediately";
    census living;
    int runs = 0;
    const auto coroutine = [&](census::life) -> task<void> {
        ++runs;
        co_return;
    };
    const auto main = [&]() -> task<void> {
        auto first = eddy::spawn(coroutine(living.begin_life()));
        auto second = eddy::spawn([&, mine = living.begin_life()] { ++runs; });
        auto third = eddy::spawn(eddy::poll_fn([&, mine = living.begin_life()](eddy::context&) {
            ++runs;
            return eddy::poll_result<void>::ready();
        }));
        first.abort();
        second.abort();
        third.abort();
        EXPECT_TRUE(was_cancelled(co_await first));
        EXPECT_TRUE(was_cancelled(co_await second));
        EXPECT_TRUE(was_cancelled(co_await third));
    };
    on.run(main());
    EXPECT_EQ(runs, 0);
    EXPECT_EQ(living.alive(), 0);
}

// covers: R135
TEST_P(Abort, PreventsPollOfWokenTask) {
    if (GetParam() > 1) GTEST_SKIP() << "another worker would run it immediately";
    async_gate gate;
    bool went_on = false;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> {
            co_await gate.wait();
            went_on = true;
        });
        while (gate.waiting() == 0) co_await eddy::yield_now();
        gate.open();
        handle.abort();
        EXPECT_TRUE(was_cancelled(co_await handle));
    };
    on.run(main());
    EXPECT_FALSE(went_on);
}

TEST_P(Abort, OfOwnTaskTakesEffectAtNextSuspension) {
    census living;
    const auto main = [&]() -> task<void> {
        async_gate may_begin;
        std::optional<eddy::abort_handle> own;
        int steps = 0;
        auto handle = eddy::spawn([&]() -> task<void> {
            const auto mine = living.begin_life();
            co_await may_begin.wait();
            own->abort();
            ++steps;
            co_await eddy::ready();  // does not wait
            ++steps;
            co_await eddy::yield_now();
            ++steps;
        });
        own = handle.abort_handle();
        may_begin.open();
        EXPECT_TRUE(was_cancelled(co_await handle));
        EXPECT_EQ(steps, 2);
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(Abort, OfOwnTaskInItsLastPollDoesNothing) {
    const auto main = [&]() -> task<void> {
        async_gate may_begin;
        std::optional<eddy::abort_handle> own;
        auto handle = eddy::spawn([&]() -> task<int> {
            co_await may_begin.wait();
            own->abort();
            co_return 3;
        });
        own = handle.abort_handle();
        may_begin.open();
        EXPECT_EQ((co_await handle).value(), 3);
        own->abort();
    };
    on.run(main());
}

TEST_P(AbortOnWorkers, TakesEffectAfterRunningPoll) {
    census living;
    std::atomic<bool> is_polled = false;
    std::atomic<bool> is_aborted = false;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> {
            const auto mine = living.begin_life();
            is_polled = true;
            while (!is_aborted) std::this_thread::yield();
            co_await eddy::yield_now();
            ADD_FAILURE() << "the task continued after an abort";
        });
        while (!is_polled) co_await eddy::yield_now();
        handle.abort();
        EXPECT_FALSE(handle.is_finished());
        is_aborted = true;
        EXPECT_TRUE(was_cancelled(co_await handle));
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(Abort, AfterEndKeepsOutput) {
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([] { return 5; });
        auto failed = eddy::spawn([]() -> task<void> {
            throw std::runtime_error("failed");
            co_return;
        });
        while (!handle.is_finished() || !failed.is_finished()) co_await eddy::yield_now();
        handle.abort();
        handle.abort_handle().abort();
        failed.abort();
        EXPECT_EQ((co_await handle).value(), 5);
        const auto thrown = co_await failed;
        EXPECT_FALSE(thrown.error().is_cancelled());
    };
    on.run(main());
}

TEST_P(Abort, RepeatedAbortsHaveNoFurtherEffect) {
    census living;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(wait_for_ever(living));
        std::vector<eddy::abort_handle> aborts(10, handle.abort_handle());
        for (const auto& each : aborts) each.abort();
        handle.abort();
        EXPECT_TRUE(was_cancelled(co_await handle));
        for (const auto& each : aborts) {
            EXPECT_TRUE(each.is_finished());
            each.abort();
        }
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
}

TEST_P(Abort, TaskThatNeverSuspendsKeepsOutput) {
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([]() -> task<int> {
            int sum = 0;
            for (int i = 0; i < 50; ++i) sum += co_await eddy::ready(1);
            co_return sum;
        });
        while (!handle.is_finished()) co_await eddy::yield_now();
        handle.abort();
        EXPECT_EQ((co_await handle).value(), 50);
    };
    on.run(main());
}

// ---- Effects on the task ----

// covers: P017
TEST_P(Abort, DestroysAwaitChainInnermostFirst) {
    std::vector<int> order;
    struct notes {
        std::vector<int>& order;
        int number;
        ~notes() { order.push_back(number); }
    };
    struct chain {
        std::vector<int>& order;
        std::atomic<int>& depth;
        task<void> down(int left) {
            const notes local{order, left};
            ++depth;
            try {
                if (left > 0) {
                    co_await down(left - 1);
                } else {
                    co_await eddy::pending();
                }
            } catch (...) {
                ADD_FAILURE() << "an abort must not throw";
            }
            ADD_FAILURE() << "the task continued after an abort";
        }
    };
    std::atomic<int> depth = 0;
    chain tried{order, depth};
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(tried.down(4));
        while (depth < 5) co_await eddy::yield_now();
        handle.abort();
        EXPECT_TRUE(was_cancelled(co_await handle));
    };
    on.run(main());
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST_P(Abort, AwaitsPollCancel) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto inner = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(may_end, &cancels);
        ADD_FAILURE() << "the task continued after an abort";
    };
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> { co_await inner(); });
        while (living.total() == 0) co_await eddy::yield_now();
        handle.abort();
        while (cancels == 0) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        handle.abort();  // has no effect
        for (int i = 0; i < 10; ++i) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        EXPECT_EQ(living.alive(), 1);
        may_end.open();
        EXPECT_TRUE(was_cancelled(co_await handle));
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_GE(cancels, 2);
}

TEST_P(Abort, TaskInItsGracefulEndIsWokenByAnotherThread) {
    for (const bool aborts_first : {true, false}) {
        async_gate may_end;
        std::atomic<int> cancels = 0;
        census living;
        const auto main = [&]() -> task<void> {
            auto handle = eddy::spawn([&]() -> task<void> {
                const auto mine = living.begin_life();
                co_await ends_slowly(may_end, &cancels);
            });
            while (living.total() == 0) co_await eddy::yield_now();
            const auto abort = [aborts = handle.abort_handle()] { aborts.abort(); };
            if (aborts_first) {
                std::thread(abort).join();
            } else {
                abort();
            }
            while (cancels == 0) co_await eddy::yield_now();
            std::thread([&] {
                may_end.open();
                if (!aborts_first) abort();
            }).join();
            EXPECT_TRUE(was_cancelled(co_await handle));
        };
        on.run(main());
    }
}

TEST_P(Abort, CallsPollCancelOfFuturesCallablesAndTasks) {
    const auto main = [&]() -> task<void> {
        async_gate may_end;
        std::atomic<int> cancels = 0;
        auto future = eddy::spawn(ends_slowly(may_end, &cancels));
        auto callable = eddy::spawn([&] { return ends_slowly(may_end, &cancels); });
        auto makes_task = eddy::spawn([&]() -> task<void> { co_await ends_slowly(may_end, &cancels); });
        auto limited = eddy::spawn(eddy::time::timeout(1h, ends_slowly(may_end, &cancels)));
        auto joined = eddy::spawn(eddy::join(ends_slowly(may_end, &cancels), eddy::ready(1)));
        for (int i = 0; i < 100; ++i) co_await eddy::yield_now();
        future.abort();
        callable.abort();
        makes_task.abort();
        limited.abort();
        joined.abort();
        // With several workers, a task may not have been polled yet. Then its poll_cancel() is not called.
        may_end.open();
        EXPECT_TRUE(was_cancelled(co_await future));
        EXPECT_TRUE(was_cancelled(co_await callable));
        EXPECT_TRUE(was_cancelled(co_await makes_task));
        EXPECT_TRUE(was_cancelled(co_await limited));
        EXPECT_TRUE(was_cancelled(co_await joined));
        if (GetParam() < 2) {
            EXPECT_EQ(cancels, 5);
        }
    };
    on.run(main());
}

TEST_P(Abort, ThrowingPollCancelStillDestroysTask) {
    struct throws_when_cancelled {
        using output_type = void;
        eddy::poll_result<void> poll(eddy::context&) { return eddy::not_ready; }
        eddy::poll_result<void> poll_cancel(eddy::context&) { throw std::runtime_error("cannot end"); }
    };
    census living;
    const auto work = [&]() -> task<void> {
        const auto mine = living.begin_life();
        throws_when_cancelled leaf;
        co_await leaf;
    };
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(work());
        auto plain = eddy::spawn(throws_when_cancelled());
        while (living.total() == 0) co_await eddy::yield_now();
        handle.abort();
        plain.abort();
        EXPECT_TRUE(was_cancelled(co_await handle));
        EXPECT_TRUE(was_cancelled(co_await plain));
        EXPECT_EQ(living.alive(), 0);
    };
    on.run(main());
    EXPECT_TRUE(on.reports().empty());
}

TEST_P(Abort, DestroysAwaitedReceiver) {
    const auto main = [&]() -> task<void> {
        auto [tx, rx] = oneshot<int>::channel();
        std::atomic<int> begun = 0;
        auto receives = eddy::spawn([&begun, mine = std::move(rx)]() mutable -> task<void> {
            ++begun;
            static_cast<void>(co_await mine);
        });
        auto sleeps = eddy::spawn([&]() -> task<void> {
            ++begun;
            co_await eddy::time::sleep(1h);
        });
        while (begun < 2) co_await eddy::yield_now();
        receives.abort();
        sleeps.abort();
        static_cast<void>(co_await receives);
        static_cast<void>(co_await sleeps);
        EXPECT_FALSE(tx.send(1).has_value()) << "the receiver must be destroyed with its task";
    };
    on.run(main());
}

TEST_P(Abort, DestructorMaySpawnAbortAndWake) {
    async_gate gate;
    census living;
    const auto main = [&]() -> task<void> {
        auto other = eddy::spawn(wait_for_ever(living));
        struct busy_at_end {
            async_gate& gate;
            census& living;
            join_handle<void>& other;
            ~busy_at_end() {
                gate.open();
                other.abort();
                eddy::spawn([mine = living.begin_life()] {});
            }
        };
        auto handle = eddy::spawn([&]() -> task<void> {
            const busy_at_end local{gate, living, other};
            const auto mine = living.begin_life();
            co_await eddy::pending();
        });
        while (living.total() < 2) co_await eddy::yield_now();
        handle.abort();
        EXPECT_TRUE(was_cancelled(co_await handle));
        EXPECT_TRUE(was_cancelled(co_await other));
        co_await gate.wait();
    };
    on.run(main());
    on.run_until_idle();
    EXPECT_EQ(living.total(), 3);
    EXPECT_EQ(living.alive(), 0);
}

// ---- Without a join handle, and from other threads ----

// covers: R036
TEST_P(Abort, OfDetachedTaskDestroysFuture) {
    const auto held = std::make_shared<int>(1);
    const auto main = [&]() -> task<void> {
        std::atomic<int> begun = 0;
        for (int i = 0; i < 3; ++i) {
            auto handle = eddy::spawn([&begun, held]() -> task<void> {
                ++begun;
                co_await eddy::pending();
            });
            const auto aborts = handle.abort_handle();
            while (begun < i + 1) co_await eddy::yield_now();
            if (i == 0) {  // abort, drop
                handle.abort();
                handle.detach();
            } else if (i == 1) {  // drop, abort
                handle.detach();
                aborts.abort();
            } else {  // drop and abort on another thread
                std::thread([mine = std::move(handle), aborts]() mutable {
                    mine.detach();
                    aborts.abort();
                }).join();
            }
            while (held.use_count() > 1) co_await eddy::yield_now();
        }
    };
    on.run(main());
    on.run_until_idle();
    EXPECT_EQ(held.use_count(), 1);
}

TEST_P(Abort, FromAnotherThreadWakesRuntime) {
    census living;
    std::thread other;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn(wait_for_ever(living));
        while (living.total() == 0) co_await eddy::yield_now();
        other = std::thread([aborts = handle.abort_handle()] { aborts.abort(); });
        EXPECT_TRUE(was_cancelled(co_await handle));
    };
    on.run(main());
    other.join();
    EXPECT_EQ(living.alive(), 0);
}

TEST_P(Abort, HandleMayOutliveJoinHandleAndRuntime) {
    std::optional<eddy::abort_handle> kept;
    std::optional<eddy::abort_handle> other;
    const auto main = [&]() -> task<void> {
        {
            auto handle = eddy::spawn([] { return std::string(100, 'x'); });
            kept = handle.abort_handle();
            static_cast<void>(co_await handle);
        }
        other = eddy::spawn([]() -> task<void> { co_await eddy::pending(); }).abort_handle();
        EXPECT_TRUE(kept->is_finished());
        EXPECT_FALSE(other->is_finished());
    };
    on.run(main());
    on.end();
    EXPECT_TRUE(other->is_finished());
    EXPECT_NE(kept->id(), other->id());
    other->abort();
    kept = *other;
    other.reset();
    std::thread([mine = std::move(*kept)] { mine.abort(); }).join();
}

TEST_P(Abort, EventLoopTasksAreDestroyedOnLoopThread) {
    if (!on.is_core()) GTEST_SKIP() << "a task of a runtime may be destroyed on any worker";
    std::thread::id ended_on;
    struct notes_thread {
        std::thread::id& where;
        ~notes_thread() { where = std::this_thread::get_id(); }
    };
    std::thread other;
    const auto main = [&]() -> task<void> {
        std::atomic<bool> has_begun = false;
        auto handle = eddy::spawn([&]() -> task<void> {
            const notes_thread local{ended_on};
            has_begun = true;
            co_await eddy::pending();
        });
        while (!has_begun) co_await eddy::yield_now();
        other = std::thread([mine = std::move(handle)]() mutable {
            mine.abort();
            EXPECT_TRUE(was_cancelled(eddy::wait(mine)));
        });
        while (ended_on == std::thread::id()) co_await eddy::yield_now();
    };
    on.run(main());
    other.join();
    EXPECT_EQ(ended_on, std::this_thread::get_id());
}

// ---- abort_on_drop_handle ----

/// Never completes. The destruction of the sender shows that the task was destroyed.
task<int> holds(oneshot<int>::sender) {
    co_await eddy::pending<void>();
    co_return 0;
}

// covers: P028
TEST(AbortOnDrop, DestructorAbortsTask) {
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

// covers: P028
TEST(AbortOnDrop, AwaitReturnsOutput) {
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

// covers: P028
TEST(AbortOnDrop, BorrowedHandleInSelectKeepsTaskRunning) {
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

// covers: P028
TEST(AbortOnDrop, LoserOfSelectIsAborted) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        auto first =
            co_await eddy::select(abort_on_drop_handle(eddy::spawn(holds(std::move(ends.sender)))), eddy::yield_now());
        EXPECT_EQ(first.index(), 1u);
        auto told = co_await ends.receiver;
        EXPECT_FALSE(told.has_value());
    });
}

// covers: P028
TEST(AbortOnDrop, DetachReturnsPlainHandle) {
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

// covers: P028
TEST(AbortOnDrop, AssignmentAbortsPreviousTask) {
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

// covers: P028
TEST(AbortOnDrop, AcceptsHandleOfClosure) {
    everywhere([]() -> task<> {
        auto text = std::make_unique<int>(4);
        abort_on_drop_handle handle(eddy::spawn([text = std::move(text)] { return *text; }));
        auto output = co_await std::move(handle);
        EXPECT_EQ(output.value(), 4);
    });
}

// covers: P028
TEST(AbortOnDrop, AbortHandleMayOutliveAbortOnDropHandle) {
    everywhere([]() -> task<> {
        auto ends = oneshot<int>::channel();
        std::optional<eddy::abort_handle> aborts;
        {
            const abort_on_drop_handle handle(eddy::spawn(holds(std::move(ends.sender))));
            aborts.emplace(handle.abort_handle());
        }
        auto told = co_await ends.receiver;
        EXPECT_FALSE(told.has_value());
        while (!aborts->is_finished()) co_await eddy::yield_now();
        aborts->abort();
        EXPECT_TRUE(aborts->is_finished());
    });
}

}  // namespace
