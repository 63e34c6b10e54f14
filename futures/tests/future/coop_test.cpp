// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/future/coop.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <utility>

#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/time/timeout.hpp>

#include "support/runtimes.hpp"
#include "support/scripted.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::context;
using eddy::task;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

task<> consumes(int count, int& done) {
    for (done = 0; done < count; ++done) co_await eddy::consume_budget();
}

// covers: P024
TEST(Coop, ConsumeBudgetYieldsWhenTheBudgetIsUsedUp) {
    int done = 0;
    by_hand hand(consumes(10, done));
    assert_pending(hand.poll(4));
    EXPECT_EQ(done, 4);
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll(5));
    EXPECT_EQ(done, 9);
    assert_ready(hand.poll(1));
}

// covers: P024
TEST(Coop, EachPollOfATaskHasTheDefaultBudget) {
    support::everywhere([]() -> task<> {
        co_await eddy::yield_now();
        int count = 0;
        for (;;) {
            const bool more = co_await eddy::has_budget_remaining();
            if (!more) break;
            co_await eddy::consume_budget();
            ++count;
        }
        // Other awaits may have used some of the budget, and tasks in a worker's LIFO slot share one budget.
        EXPECT_LE(count, static_cast<int>(context::default_budget));
        EXPECT_GT(count, 0);
        co_await eddy::consume_budget();
        const bool renewed = co_await eddy::has_budget_remaining();
        EXPECT_TRUE(renewed);
    });
}

// covers: P024
TEST(Coop, HasBudgetRemainingNeverWaits) {
    by_hand none{eddy::has_budget_remaining()};
    EXPECT_FALSE(assert_ready(none.poll(0)));
    EXPECT_FALSE(none.is_woken());
    by_hand some{eddy::has_budget_remaining()};
    EXPECT_TRUE(assert_ready(some.poll(1)));
}

// covers: P024
TEST(Coop, LoopThatConsumesBudgetLetsOtherTasksRun) {
    eddy::core core;
    const auto loop = []() -> task<bool> {
        bool stop = false;
        auto other = eddy::spawn([&stop]() -> task<> {
            co_await eddy::yield_now();
            stop = true;
        });
        while (!stop) co_await eddy::consume_budget();
        static_cast<void>(co_await other);
        co_return stop;
    };
    EXPECT_TRUE(core.run(loop()));
}

// covers: P024
TEST(Coop, UnconstrainedSeesNoLimit) {
    int done = 0;
    by_hand hand(eddy::unconstrained(consumes(100'000, done)));
    assert_ready(hand.poll(4));
    EXPECT_EQ(done, 100'000);
}

// covers: P024
TEST(Coop, UnconstrainedRestoresTheTasksBudget) {
    int inner = 0;
    int outer = 0;
    by_hand hand([](int& in, int& out) -> task<> {
        co_await eddy::consume_budget();
        co_await eddy::unconstrained(consumes(1000, in));
        co_await consumes(10, out);
    }(inner, outer));
    assert_pending(hand.poll(4));
    EXPECT_EQ(inner, 1000);
    EXPECT_EQ(outer, 3);
    by_hand throws(eddy::unconstrained([]() -> task<> {
        throw std::runtime_error("thrown");
        co_return;
    }()));
    EXPECT_THROW(static_cast<void>(throws.poll()), std::runtime_error);
}

// covers: P024
TEST(Coop, UnconstrainedAppliesToChildrenOfJoin) {
    int first = 0;
    int second = 0;
    by_hand hand(eddy::unconstrained(eddy::join(consumes(1000, first), consumes(1000, second))));
    assert_ready(hand.poll(1));
    EXPECT_EQ(first + second, 2000);
}

/// A future that is always ready and ignores the coop budget, as a user-provided future may be.
auto always_ready() {
    return eddy::poll_fn([](context&) { return eddy::poll_result<int>(1); });
}

// covers: P024
TEST(Coop, CooperativeChargesAFutureThatIgnoresTheBudget) {
    int done = 0;
    by_hand hand([](int& count) -> task<> {
        for (; count < 10; ++count) co_await eddy::cooperative(always_ready());
    }(done));
    assert_pending(hand.poll(4));
    EXPECT_EQ(done, 4);
    EXPECT_TRUE(hand.is_woken());
    assert_pending(hand.poll(4));
    assert_ready(hand.poll(4));
}

// covers: P024
TEST(Coop, CooperativeRefundsUnusedBudget) {
    support::script s;
    int done = 0;
    auto both = [](support::script& never, int& count) -> task<> {
        co_await eddy::select(eddy::cooperative(support::scripted(never)), consumes(3, count));
    };
    by_hand hand(both(s, done));
    assert_ready(hand.poll(3));
    EXPECT_EQ(done, 3);
}

// covers: P024
TEST(Coop, AdaptorsForwardPollCancel) {
    support::script s;
    s.may_end = false;
    by_hand hand(eddy::unconstrained(eddy::cooperative(support::cancellable_scripted(s))));
    assert_pending(hand.poll());
    assert_pending(hand.poll_cancel());
    EXPECT_EQ(s.cancel_polls, 1);
    using plain = decltype(eddy::unconstrained(eddy::cooperative(support::scripted(s))));
    static_assert(!eddy::cancellable_future<plain>);
}

// covers: P024 R045
TEST(Coop, TimeoutAroundAnEndlessLoopFires) {
    support::everywhere([]() -> task<> {
        auto endless = []() -> task<> {
            for (;;) co_await eddy::cooperative(always_ready());
        };
        auto outcome = co_await eddy::time::timeout(20ms, endless());
        EXPECT_FALSE(outcome.has_value());
    });
}

// covers: P024 R045
TEST(Coop, EndlessChildOfJoinDoesNotStarveFiniteChild) {
    support::everywhere([]() -> task<> {
        bool stop = false;
        auto endless = [](const bool& stopped) -> task<> {
            while (!stopped) co_await eddy::consume_budget();
        };
        auto finite = [](bool& tell) -> task<> {
            for (int i = 0; i < 1000; ++i) co_await eddy::consume_budget();
            tell = true;
        };
        co_await eddy::join(endless(stop), finite(stop));
        EXPECT_TRUE(stop);
    });
}

// covers: P023
TEST(Coop, YieldNowLetsOtherTasksRun) {
    support::everywhere([]() -> task<> {
        std::atomic<int> turns = 0;
        auto other = eddy::spawn([&turns]() -> task<> {
            for (int i = 0; i < 100; ++i) {
                ++turns;
                co_await eddy::yield_now();
            }
        });
        while (!other.is_finished()) co_await eddy::yield_now();
        EXPECT_EQ(turns, 100);
    });
}

}  // namespace
