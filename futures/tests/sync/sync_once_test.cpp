// SPDX-License-Identifier: MIT
// runs: tsan
#include <eddy/sync/once_cell.hpp>
#include <eddy/sync/set_once.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/fragile.hpp"
#include "support/futures/first_wake.hpp"
#include "support/futures/reentrant_waker.hpp"
#include "support/scripted.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::once_cell;
using eddy::sync::oneshot;
using eddy::sync::set_once;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::failing_move;
using support::fragile;

// ---- set_once ----

// covers: P089
TEST(SyncSetOnce, SecondSetReturnsItsValue) {
    set_once<std::unique_ptr<int>> cell;
    EXPECT_FALSE(cell.is_set());
    EXPECT_EQ(cell.get(), nullptr);
    EXPECT_TRUE(cell.set(std::make_unique<int>(5)).has_value());
    EXPECT_TRUE(cell.is_set());
    EXPECT_EQ(**cell.get(), 5);
    auto back = cell.set(std::make_unique<int>(6));
    ASSERT_FALSE(back.has_value());
    EXPECT_EQ(*back.error(), 6);
    EXPECT_EQ(**cell.get(), 5);
    EXPECT_EQ(*std::move(cell).into_inner().value(), 5);
    EXPECT_EQ(set_once<int>().get(), nullptr);
    EXPECT_FALSE(set_once<int>().into_inner().has_value());
    EXPECT_EQ(*set_once<int>(7).get(), 7);
}

// covers: P089
TEST(SyncSetOnce, SetWakesAllWaitersWithTheSameValue) {
    set_once<std::string> cell;
    by_hand first(cell.wait());
    by_hand second(cell.wait());
    by_hand dropped(cell.wait());
    by_hand fresh(cell.wait());
    assert_pending(first.poll());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(dropped.poll());
    dropped.drop();
    EXPECT_EQ(dropped.wakers(), 0u);
    EXPECT_TRUE(cell.set("value").has_value());
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 1 && dropped.wakes() == 0);
    EXPECT_EQ(assert_ready(first.poll()), cell.get());
    EXPECT_EQ(assert_ready(second.poll()), cell.get());
    EXPECT_EQ(assert_ready(fresh.poll()), cell.get());
    EXPECT_EQ(assert_ready(first.poll()), cell.get());
    EXPECT_EQ(first.wakers() + second.wakers(), 0u);
}

// covers: P089
TEST(SyncSetOnce, ThrowingMoveLeavesTheCellUnset) {
    set_once<fragile> cell;
    by_hand waits(cell.wait());
    assert_pending(waits.poll());
    {
        const failing_move fails(0);
        EXPECT_THROW(static_cast<void>(cell.set(fragile(1))), std::runtime_error);
    }
    EXPECT_FALSE(cell.is_set());
    assert_pending(waits.poll());
    EXPECT_TRUE(cell.set(fragile(2)).has_value());
    EXPECT_TRUE(waits.is_woken());
    EXPECT_EQ(assert_ready(waits.poll()), cell.get());
    EXPECT_EQ(cell.get()->number, 2);
}

// covers: R068
TEST(SyncSetOnce, WakerCallbacksMayUseTheCell) {
    set_once<int> cell;
    support::reentrant_waker reentrant([&] {
        by_hand inner(cell.wait());
        static_cast<void>(inner.poll());
        static_cast<void>(cell.set(2));
    });
    const auto waker = reentrant.waker();
    eddy::context cx(waker);
    auto waits = cell.wait();
    EXPECT_EQ(*assert_ready(waits.poll(cx)), 2);  // set while the waker was cloned
    EXPECT_GE(reentrant.calls(), 1);
}

TEST(SyncSetOnceDeathTest, FirstWokenTaskMayDestroyAllWaiters) {
    EXPECT_COMES_BACK([] {
        auto value = std::make_unique<set_once<int>>();
        const support::destroyed_at_first_wake<set_once<int>::wait_future> waiting([&] { return value->wait(); },
                                                                                   [] {});
        EXPECT_TRUE(value->set(1).has_value());
    });
}

// covers: P089 P092
TEST(SyncSetOnceStress, OneOfTwoConcurrentSetsWins) {
    support::handover_rounds rounds(100'000);
    while (rounds.next()) {
        const auto cell = std::make_shared<set_once<std::uint64_t>>();
        std::atomic<int> refused = 0;
        const auto set = [&refused, cell](std::uint64_t value) {
            if (!cell->set(value)) ++refused;
        };
        std::thread first(set, 1);
        std::thread second(set, 2);
        const auto* const seen = eddy::wait(cell->wait());
        const auto value = *seen;
        first.join();
        second.join();
        EXPECT_EQ(refused, 1);
        EXPECT_EQ(*cell->get(), value);
    }
}

// ---- once_cell ----

// covers: P089
TEST(SyncOnceCell, CanBeTakenAndSetAgain) {
    once_cell<std::string> cell;
    EXPECT_FALSE(cell.is_set());
    EXPECT_TRUE(cell.set("one").has_value());
    EXPECT_EQ(cell.set("two").error(), "two");
    EXPECT_EQ(*cell.get(), "one");
    *cell.get_mut() = "three";
    EXPECT_EQ(cell.take(), "three");
    EXPECT_EQ(cell.get(), nullptr);
    EXPECT_EQ(cell.take(), std::nullopt);
    EXPECT_TRUE(cell.set("four").has_value());
    EXPECT_EQ(std::move(cell).into_inner(), "four");
    EXPECT_EQ(*once_cell<int>(5).get(), 5);
}

// covers: P089
TEST(SyncOnceCell, OnlyTheFirstCallerInitializes) {
    once_cell<int> cell;
    auto ends = oneshot<int>::channel();
    int made = 0;
    auto slow = [&made, &ends]() -> eddy::task<int> {
        ++made;
        auto got = co_await ends.receiver;
        co_return *got;
    };
    auto never = [&made]() -> eddy::task<int> {
        ++made;
        co_return -1;
    };
    by_hand first(cell.get_or_init(slow));
    by_hand second(cell.get_or_init(never));
    by_hand third(cell.get_or_init(never));
    EXPECT_EQ(made, 0);
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(third.poll());
    EXPECT_FALSE(cell.is_set());
    EXPECT_EQ(cell.set(9).error(), 9);  // an initialization is running
    static_cast<void>(ends.sender.send(7));
    EXPECT_EQ(*assert_ready(first.poll()), 7);
    EXPECT_TRUE(second.is_woken() && third.is_woken());
    EXPECT_EQ(assert_ready(second.poll()), cell.get());
    EXPECT_EQ(assert_ready(third.poll()), cell.get());
    EXPECT_EQ(*assert_ready(by_hand(cell.get_or_init(never)).poll()), 7);
    EXPECT_EQ(made, 1);
    EXPECT_THROW(static_cast<void>(first.poll()), eddy::misuse);
}

// covers: R063
TEST(SyncOnceCell, NextCallerTakesOverDroppedInitialization) {
    once_cell<int> cell;
    support::script s;
    auto scripted = [&s] { return support::scripted(s).map([](int value) { return value; }); };
    const auto five = [] { return eddy::ready(5); };
    {
        by_hand first(cell.get_or_try_init(scripted));
        by_hand second(cell.get_or_init(five));
        by_hand third(cell.get_or_init(five));
        assert_pending(first.poll());
        assert_pending(second.poll());
        assert_pending(third.poll());
        first.drop();
        EXPECT_FALSE(s.alive);
        EXPECT_TRUE(second.is_woken());
        EXPECT_FALSE(third.is_woken());
        second.drop();  // `second` was woken, so its drop wakes `third`
        EXPECT_TRUE(third.is_woken());
        EXPECT_EQ(*assert_ready(third.poll()), 5);
    }
    EXPECT_EQ(*cell.get(), 5);
}

// covers: P089
TEST(SyncOnceCell, FailedInitializationIsRetriedByTheNextCaller) {
    once_cell<int> cell;
    support::script s;
    auto fails = [&s] { return support::scripted(s); };
    auto works = [] { return eddy::ready(eddy::result<int>(5)); };
    by_hand first(cell.get_or_try_init(fails));
    by_hand second(cell.get_or_try_init(works));
    assert_pending(first.poll());
    assert_pending(second.poll());
    s.change(support::plan::fails);
    EXPECT_EQ(assert_ready(first.poll()).error(), std::errc::io_error);
    EXPECT_FALSE(s.alive);
    EXPECT_TRUE(second.is_woken());
    EXPECT_EQ(**assert_ready(second.poll()), 5);
    by_hand later(cell.get_or_try_init(fails));
    EXPECT_EQ(*assert_ready(later.poll()), cell.get());
}

// covers: P089
TEST(SyncOnceCell, ThrowingInitializationIsRetriedByTheNextCaller) {
    once_cell<int> cell;
    support::script s;
    s.now = support::plan::throws;
    by_hand first(cell.get_or_try_init([&s] { return support::scripted(s); }));
    EXPECT_THROW(static_cast<void>(first.poll()), std::runtime_error);
    EXPECT_FALSE(s.alive);
    by_hand second(cell.get_or_init([]() -> eddy::task<int> { throw std::runtime_error("no future"); }));
    EXPECT_THROW(static_cast<void>(second.poll()), std::runtime_error);
    EXPECT_EQ(*assert_ready(by_hand(cell.get_or_init([] { return eddy::ready(5); })).poll()), 5);
}

TEST(SyncOnceCell, NextCallerInitializesWhenAMoveThrows) {
    int thrown = 0;
    for (int nth = 0; nth < 12; ++nth) {
        once_cell<fragile> cell;
        support::script first_made;
        auto make = [&]() -> eddy::task<fragile> {
            static_cast<void>(co_await support::scripted(first_made));
            co_return fragile(1);
        };
        auto make_other = []() -> eddy::task<fragile> { co_return fragile(2); };
        by_hand first(cell.get_or_init(make));
        by_hand second(cell.get_or_init(make_other));
        assert_pending(first.poll());
        assert_pending(second.poll());
        first_made.change(support::plan::ready);
        {
            const failing_move fails(nth);
            try {
                EXPECT_EQ(assert_ready(first.poll())->number, 1);
            } catch (const std::runtime_error&) {
                ++thrown;
                EXPECT_FALSE(cell.is_set()) << nth;
                EXPECT_TRUE(second.is_woken()) << nth;
            }
        }
        if (!cell.is_set()) {
            EXPECT_EQ(assert_ready(second.poll())->number, 2);
        }
        EXPECT_TRUE(cell.is_set());
    }
    EXPECT_GE(thrown, 1) << "the value is moved on its way into the cell";
}

// covers: P089
TEST(SyncOnceCell, FunctionOutlivesTheFutureItReturned) {
    once_cell<int> cell;
    auto kept = std::make_shared<int>(7);
    auto ends = oneshot<>::channel();
    {
        auto make = [kept, &ends]() -> eddy::task<int> {
            static_cast<void>(co_await ends.receiver);
            co_return *kept;
        };
        by_hand made(cell.get_or_init(std::move(make)));
        assert_pending(made.poll());
        static_cast<void>(ends.sender.send());
        EXPECT_EQ(*assert_ready(made.poll()), 7);
        EXPECT_EQ(kept.use_count(), 1);  // `made` has dropped the function
    }
}

// covers: P089
TEST(SyncOnceCell, CancelWaitsForGracefulShutdownOfTheInitializer) {
    once_cell<int> cell;
    support::script s;
    s.may_end = false;
    by_hand first(cell.get_or_try_init([&s] { return support::cancellable_scripted(s); }));
    assert_pending(first.poll());
    assert_pending(first.poll_cancel());
    EXPECT_FALSE(cell.set(1).has_value());
    s.may_end = true;
    assert_ready(first.poll_cancel());
    EXPECT_FALSE(s.alive);
    EXPECT_TRUE(cell.set(1).has_value());
}

// covers: P089
TEST(SyncOnceCell, PollChargesCoopBudgetOnlyWhenReady) {
    once_cell<int> cell;
    by_hand first(cell.get_or_init([] { return eddy::pending<int>(); }));
    assert_pending(first.poll());
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    auto second = cell.get_or_init([] { return eddy::ready(5); });
    assert_pending(second.poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
    first.drop();
    EXPECT_EQ(*assert_ready(second.poll(cx)), 5);
    by_hand third(cell.get_or_init([] { return eddy::ready(6); }));
    assert_pending(third.poll(0));
    EXPECT_TRUE(third.is_woken());
}

// covers: P089
TEST(SyncOnceDeathTest, MisuseTerminatesWithMessage) {
    EXPECT_DEATH(
        {
            std::optional<set_once<int>> cell(std::in_place);
            by_hand waits(cell->wait());
            static_cast<void>(waits.poll());
            cell.reset();
        },
        "destroyed while a task waits");
    EXPECT_DEATH(
        {
            once_cell<int> cell;
            by_hand first(cell.get_or_init([] { return eddy::pending<int>(); }));
            static_cast<void>(first.poll());
            auto moved = std::move(first.future());
        },
        "moved after its first poll");
}

// covers: P089
TEST(SyncOnceDeathTest, DestructionWhileTheValueIsMadeTerminates) {
    EXPECT_DEATH(
        {
            std::optional<once_cell<int>> cell(std::in_place);
            by_hand makes(cell->get_or_init([] { return eddy::pending<int>(); }));
            static_cast<void>(makes.poll());
            cell.reset();
        },
        "a sync::once_cell was destroyed while a task waits");
    std::optional<once_cell<int>> cell(std::in_place);
    by_hand makes(cell->get_or_init([] { return eddy::pending<int>(); }));
    assert_pending(makes.poll());
    makes.drop();
    EXPECT_EQ(cell->get(), nullptr);
    cell.reset();
}

// covers: P089 P092
TEST(SyncOnceCellStress, OneThreadInitializesWhileOthersGiveUp) {
    support::handover_rounds rounds(100'000);
    std::uint64_t round = 0;
    while (rounds.next()) {
        ++round;
        once_cell<std::uint64_t> cell;
        std::atomic<int> begun = 0;
        const auto make = [&]() -> eddy::task<std::uint64_t> {
            ++begun;
            co_await eddy::yield_now();
            co_return round;
        };
        const auto get = [&] { EXPECT_EQ(*eddy::wait(cell.get_or_init(make)), round); };
        const auto give_up = [&] {
            by_hand half(cell.get_or_init(make));
            static_cast<void>(half.poll());
        };
        std::thread first(get);
        std::thread second(give_up);
        if (round % 2 == 0) give_up();
        get();
        first.join();
        second.join();
        EXPECT_GE(begun, 1);
        EXPECT_LE(begun, 3);
    }
}

}  // namespace
