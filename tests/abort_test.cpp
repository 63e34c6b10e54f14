// SPDX-License-Identifier: MIT
// Abort, at every time of a task's life and from everywhere. (After tokio's task_abort.rs.)
#include <eddy/join_handle.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/join.hpp>
#include <eddy/poll_fn.hpp>
#include <eddy/ready.hpp>
#include <eddy/select.hpp>
#include <eddy/spawn.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task.hpp>
#include <eddy/time/sleep.hpp>
#include <eddy/time/timeout.hpp>
#include <eddy/wait.hpp>
#include <eddy/yield_now.hpp>

#include "support/executors.hpp"
#include "support/gate.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::join_handle;
using eddy::task;
using support::async_gate;
using support::census;
using support::ends_slowly;
using support::executor;

/// On a loop, and on runtimes of 1, 2 and 4 workers.
class Abort : public testing::TestWithParam<unsigned> {
protected:
    executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, Abort, testing::Values(0u, 1u, 2u, 4u), support::name_of_executor);

/// What needs several workers.
class AbortOnWorkers : public testing::TestWithParam<unsigned> {
protected:
    executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(, AbortOnWorkers, testing::Values(2u, 4u), support::name_of_executor);

task<void> wait_for_ever(census& living) {
    const auto mine = living.begin_life();
    co_await eddy::pending();
}

template <class T>
bool was_cancelled(const std::expected<T, eddy::join_error>& ended) {
    return !ended && ended.error().is_cancelled();
}

// ---- When ----

TEST_P(Abort, OfATaskThatWaitsDestroysItsFuture) {
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

TEST_P(Abort, BeforeTheFirstPollItNeverRuns) {
    if (GetParam() > 1) GTEST_SKIP() << "another worker would run it at once";
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

TEST_P(Abort, OfATaskThatIsWokenAlreadyKeepsItFromGoingOn) {
    if (GetParam() > 1) GTEST_SKIP() << "another worker would run it at once";
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

TEST_P(Abort, OfItselfTakesEffectAtTheNextAwaitThatWaits) {
    const auto main = [&]() -> task<void> {
        async_gate may_begin;
        std::optional<eddy::abort_handle> own;
        int steps = 0;
        auto handle = eddy::spawn([&]() -> task<void> {
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
    };
    on.run(main());
}

TEST_P(Abort, OfATaskThatEndsInTheSamePollComesTooLate) {
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

TEST_P(AbortOnWorkers, OfATaskThatIsBeingPolledElsewhere) {
    census living;
    std::atomic<bool> is_polled = false;
    std::atomic<bool> is_aborted = false;
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> {
            const auto mine = living.begin_life();
            is_polled = true;
            while (!is_aborted) std::this_thread::yield();
            co_await eddy::yield_now();
            ADD_FAILURE() << "went on after an abort";
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

TEST_P(Abort, OfATaskThatHasEndedLeavesItsOutput) {
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

TEST_P(Abort, TwiceAndFromManyHandlesIsOnce) {
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

TEST_P(Abort, ATaskThatNeverWaitsIsNotCancelled) {
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

// ---- What the task sees of it ----

TEST_P(Abort, DropsTheWholeChainInnermostFirst) {
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
                ADD_FAILURE() << "an abort is no exception";
            }
            ADD_FAILURE() << "went on after an abort";
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

TEST_P(Abort, PollCancelIsAwaited) {
    async_gate may_end;
    std::atomic<int> cancels = 0;
    census living;
    const auto inner = [&]() -> task<void> {
        const auto mine = living.begin_life();
        co_await ends_slowly(may_end, &cancels);
        ADD_FAILURE() << "went on after an abort";
    };
    const auto main = [&]() -> task<void> {
        auto handle = eddy::spawn([&]() -> task<void> { co_await inner(); });
        while (living.total() == 0) co_await eddy::yield_now();
        handle.abort();
        while (cancels == 0) co_await eddy::yield_now();
        EXPECT_FALSE(handle.is_finished());
        handle.abort();  // changes nothing
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

TEST_P(Abort, PollCancelOfEveryKindOfWork) {
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
        // Those that another worker has begun are asked; the others were never begun, and so have nothing to end.
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

TEST_P(Abort, AThrowingPollCancelEndsTheTaskOutright) {
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

TEST_P(Abort, LeavesNothingBehindInWhatWasAwaited) {
    const auto main = [&]() -> task<void> {
        auto [tx, rx] = eddy::sync::oneshot<int>::channel();
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
        EXPECT_FALSE(tx.send(1).has_value()) << "the receiver has gone with its task";
    };
    on.run(main());
}

TEST_P(Abort, ADestructorMaySpawnAbortAndWake) {
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

// ---- Without a handle, and from elsewhere ----

TEST_P(Abort, OfATaskWhoseHandleIsDroppedDestroysItsFuture) {
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
            } else {  // the same, on a foreign thread
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

TEST_P(Abort, FromAnotherThreadWakesTheRuntime) {
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

TEST_P(Abort, HandlesOutliveTheJoinHandleAndTheRuntime) {
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

TEST_P(Abort, TasksOfALoopAreDestroyedOnItsThread) {
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

// ---- Stress ----

class AbortStress : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(, AbortStress, testing::Values(1u, 2u, 4u), support::name_of_executor);

TEST_P(AbortStress, AbortFromOutsideRacesWithTheEnd) {
    const auto rounds = support::rounds(50'000);
    executor on(GetParam());
    census living;
    const auto inner = [&](int yields) -> task<int> {
        const auto mine = living.begin_life();
        for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
        co_return yields;
    };
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const int yields = static_cast<int>(round % 3);
        auto handle = on.pool().spawn([&, yields]() -> task<int> {
            const auto mine = living.begin_life();
            co_return co_await inner(yields);
        });
        if (round % 5 > 2) std::this_thread::yield();
        handle.abort();
        const auto ended = eddy::wait(handle);
        ASSERT_TRUE(was_cancelled(ended) || ended.value() == yields);
        ASSERT_EQ(living.alive(), 0);
    }
}

TEST_P(AbortStress, AbortRacesWithWakesFromTwoThreads) {
    const auto rounds = support::rounds(20'000);
    executor on(GetParam());
    census living;
    std::optional<eddy::abort_handle> aborts;
    async_gate* gate = nullptr;
    std::barrier step(3);
    std::thread aborter([&] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            step.arrive_and_wait();
            aborts->abort();
            step.arrive_and_wait();
        }
    });
    std::thread opener([&] {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            step.arrive_and_wait();
            gate->open();
            step.arrive_and_wait();
        }
    });
    for (std::uint64_t round = 0; round < rounds; ++round) {
        async_gate own;
        gate = &own;
        auto handle = on.pool().spawn([&]() -> task<void> {
            const auto mine = living.begin_life();
            co_await own.wait();
        });
        aborts = handle.abort_handle();
        if (round % 2 == 0) {
            EXPECT_TRUE(support::comes_true([&] { return own.waiting() > 0; }));
        }
        step.arrive_and_wait();
        const auto ended = eddy::wait(handle);
        EXPECT_TRUE(ended || was_cancelled(ended));
        EXPECT_EQ(living.alive(), 0);
        step.arrive_and_wait();
        aborts.reset();
    }
    aborter.join();
    opener.join();
}

TEST_P(AbortStress, AbortsOfTasksThatEndSlowlyWhileTheRuntimeEnds) {
    const auto rounds = support::rounds(5'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        census living;
        async_gate never;
        async_gate soon;
        executor on(GetParam());
        std::vector<join_handle<void>> handles;
        for (int i = 0; i < 8; ++i) {
            handles.push_back(on.pool().spawn([&, i]() -> task<void> {
                const auto mine = living.begin_life();
                co_await ends_slowly(i % 2 == 0 ? never : soon);
            }));
        }
        if (round % 2 == 0) {
            EXPECT_TRUE(support::comes_true([&] { return living.total() == 8; }));
        }
        for (const auto& each : handles) each.abort();
        soon.open();
        on.end();
        for (auto& each : handles) EXPECT_TRUE(was_cancelled(eddy::wait(each)));
        ASSERT_EQ(living.alive(), 0);
    }
}

TEST(AbortStressOnCore, AbortsFromAnotherThread) {
    const auto rounds = support::rounds(50'000);
    census living;
    eddy::core loop;
    std::atomic<eddy::abort_handle*> mailbox = nullptr;
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        while (!is_over) {
            const std::unique_ptr<eddy::abort_handle> one(mailbox.exchange(nullptr));
            if (one == nullptr) {
                std::this_thread::yield();
            } else {
                one->abort();
            }
        }
    });
    const auto main = [&]() -> task<void> {
        for (std::uint64_t round = 0; round < rounds; ++round) {
            const int yields = static_cast<int>(round % 4);
            auto handle = eddy::spawn([&, yields]() -> task<int> {
                const auto mine = living.begin_life();
                if (yields == 3) co_await eddy::pending();
                for (int i = 0; i < yields; ++i) co_await eddy::yield_now();
                co_return yields;
            });
            auto mine = std::make_unique<eddy::abort_handle>(handle.abort_handle());
            while (mailbox != nullptr) co_await eddy::yield_now();
            mailbox = mine.release();
            const auto ended = co_await handle;
            EXPECT_TRUE(was_cancelled(ended) || ended.value() == yields);
            EXPECT_EQ(living.alive(), 0);
        }
    };
    loop.run(main());
    is_over = true;
    other.join();
    delete mailbox.exchange(nullptr);
    loop.run_until_idle();
}

}  // namespace
