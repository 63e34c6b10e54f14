// SPDX-License-Identifier: MIT
#include <eddy/sync/poll_semaphore.hpp>
#include <eddy/sync/semaphore.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/try.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/polling.hpp"

namespace {

using eddy::sync::acquire_error;
using eddy::sync::poll_semaphore;
using eddy::sync::semaphore;
using eddy::sync::try_acquire_error;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

template <class Hand>
auto permit_of(Hand& hand) {
    return assert_ready(hand.poll()).value();
}

// covers: P086
TEST(SyncSemaphore, AcquireIsReadyWhilePermitsAreFree) {
    semaphore permits(3);
    by_hand two(permits.acquire(2));
    auto held = permit_of(two);
    EXPECT_EQ(held.num_permits(), 2u);
    EXPECT_EQ(permits.available_permits(), 1u);
    auto last = permits.try_acquire();
    ASSERT_TRUE(last.has_value());
    EXPECT_EQ(permits.try_acquire().error(), try_acquire_error::no_permits);
    last = std::unexpected(try_acquire_error::closed);
    EXPECT_EQ(permits.available_permits(), 1u);
}

// covers: P086
TEST(SyncSemaphore, ReleaseWakesTheWaiterOnce) {
    semaphore permits(1);
    auto held = std::make_optional(permits.try_acquire().value());
    by_hand waits(permits.acquire());
    assert_pending(waits.poll());
    assert_pending(waits.poll());
    EXPECT_EQ(waits.wakers(), 1u);
    held.reset();
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(waits.wakers(), 0u);
    EXPECT_EQ(permits.available_permits(), 0u);  // already granted to the waiter
    EXPECT_FALSE(permits.try_acquire().has_value());
    const auto permit = permit_of(waits);
    EXPECT_THROW(static_cast<void>(waits.poll()), eddy::misuse);
}

// covers: P086 R081
TEST(SyncSemaphore, PermitsAreGrantedInFifoOrder) {
    semaphore permits(0);
    by_hand first(permits.acquire());
    by_hand second(permits.acquire());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(first.poll());  // keeps its place
    permits.add_permits(1);
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 0);
    permits.add_permits(1);
    EXPECT_EQ(second.wakes(), 1u);
    permit_of(first).forget();
    permit_of(second).forget();
}

// covers: P086
TEST(SyncSemaphore, LargeRequestAtTheFrontIsNotOvertaken) {
    semaphore permits(2);
    by_hand large(permits.acquire(3));
    by_hand small(permits.acquire(1));
    assert_pending(large.poll());
    assert_pending(small.poll());
    EXPECT_EQ(permits.available_permits(), 2u);
    EXPECT_EQ(permits.try_acquire().error(), try_acquire_error::no_permits);
    permits.add_permits(1);
    EXPECT_TRUE(large.is_woken());
    EXPECT_FALSE(small.is_woken());
    auto held = permit_of(large);
    held = *held.split(0);  // returns three permits and keeps none
    EXPECT_TRUE(small.is_woken());
    EXPECT_EQ(permits.available_permits(), 2u);
}

// covers: P086
TEST(SyncSemaphore, DroppedLargeRequestLetsLaterOnesThrough) {
    semaphore permits(2);
    by_hand large(permits.acquire(3));
    by_hand small(permits.acquire(1));
    by_hand other(permits.acquire(2));
    assert_pending(large.poll());
    assert_pending(small.poll());
    assert_pending(other.poll());
    large.drop();
    EXPECT_EQ(large.wakers(), 0u);
    EXPECT_TRUE(small.is_woken());
    EXPECT_FALSE(other.is_woken());
    EXPECT_EQ(permits.available_permits(), 1u);
    other.drop();
    EXPECT_TRUE(permits.try_acquire().has_value());  // no waiter is left
}

// covers: R063
TEST(SyncSemaphore, DroppedGrantedAcquireForwardsItsPermit) {
    semaphore permits(0);
    by_hand first(permits.acquire());
    by_hand second(permits.acquire());
    assert_pending(first.poll());
    assert_pending(second.poll());
    permits.add_permits(1);
    ASSERT_TRUE(first.is_woken());
    first.drop();
    EXPECT_TRUE(second.is_woken());
    const auto permit = permit_of(second);
    EXPECT_EQ(permits.available_permits(), 0u);
}

// covers: R063
TEST(SyncSemaphore, DroppedWaiterInTheMiddleIsSkipped) {
    semaphore permits(0);
    by_hand first(permits.acquire());
    by_hand second(permits.acquire());
    by_hand third(permits.acquire());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(third.poll());
    second.drop();
    permits.add_permits(2);
    EXPECT_TRUE(first.is_woken() && third.is_woken());
    EXPECT_EQ(second.wakes(), 0u);
    EXPECT_EQ(second.wakers(), 0u);
}

// covers: R064
TEST(SyncSemaphore, JoinedFuturesTakeTurnsWithOnePermit) {
    semaphore permits(1);
    std::atomic<int> inside{0};
    auto use = [&]() -> eddy::task<void> {
        auto permit = co_await permits.acquire();
        EXPECT_EQ(inside.fetch_add(1), 0);
        auto [tx, rx] = eddy::sync::oneshot<>::channel();
        static_cast<void>(tx.send());
        static_cast<void>(co_await rx);
        inside.fetch_sub(1);
    };
    eddy::wait(eddy::join(use(), use()));
    EXPECT_EQ(permits.available_permits(), 1u);
}

// covers: P086
TEST(SyncSemaphore, WakerOfTheLastPollIsWoken) {
    semaphore permits(0);
    auto waits = permits.acquire();
    eddy::test::wake_counter first;
    eddy::test::wake_counter second;
    assert_pending(support::poll_with(waits, first.waker()));
    assert_pending(support::poll_with(waits, second.waker()));
    EXPECT_EQ(first.wakers(), 0u);
    permits.add_permits(1);
    EXPECT_TRUE(first.wakes() == 0 && second.wakes() == 1);
}

// covers: P086 I20.3.7
TEST(SyncSemaphore, CloseFailsWaitersAndNewRequests) {
    semaphore permits(1);
    auto held = permits.try_acquire().value();
    by_hand first(permits.acquire());
    by_hand second(permits.acquire(5));
    assert_pending(first.poll());
    assert_pending(second.poll());
    permits.close();
    permits.close();
    EXPECT_TRUE(permits.is_closed());
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 1);
    EXPECT_EQ(assert_ready(first.poll()).error(), acquire_error());
    EXPECT_EQ(assert_ready(second.poll()).error().to_error_code(), eddy::errc::semaphore_closed);
    held = *held.split(0);
    EXPECT_EQ(permits.available_permits(), 1u);
    EXPECT_EQ(permits.try_acquire().error(), try_acquire_error::closed);
    EXPECT_EQ(permits.try_acquire(0).error(), try_acquire_error::closed);
}

// covers: P086
TEST(SyncSemaphore, PermitGrantedBeforeCloseStaysValid) {
    semaphore permits(0);
    by_hand waits(permits.acquire());
    assert_pending(waits.poll());
    permits.add_permits(1);
    permits.close();
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
}

// covers: P086 R080
TEST(SyncSemaphore, PermitsAddedDuringCloseGoToNoWaiter) {
    semaphore permits(0);
    auto first = permits.acquire();
    support::calling_waker adds([&] { permits.add_permits(1); });
    assert_pending(support::poll_with(first, adds.waker()));
    std::list<by_hand<semaphore::acquire_future>> waiting;  // more than one batch of wakes
    for (int i = 0; i < 40; ++i) assert_pending(waiting.emplace_back(permits.acquire()).poll());
    permits.close();
    for (auto& one : waiting) EXPECT_FALSE(assert_ready(one.poll()).has_value());
    EXPECT_EQ(permits.available_permits(), 1u);
}

// covers: R070
TEST(SyncSemaphore, ForgetAndAddLeaveASemaphoreClosed) {
    semaphore permits(2);
    permits.close();
    EXPECT_EQ(permits.forget_permits(1), 1u);
    EXPECT_TRUE(permits.is_closed());
    permits.add_permits(3);
    EXPECT_TRUE(permits.is_closed());
    EXPECT_EQ(permits.available_permits(), 4u);
}

// covers: R070
TEST(SyncSemaphore, MoreThanMaxPermitsIsMisuse) {
    semaphore permits(semaphore::max_permits);
    EXPECT_EQ(permits.available_permits(), semaphore::max_permits);
    EXPECT_THROW(permits.add_permits(1), eddy::misuse);
    EXPECT_THROW(permits.add_permits(SIZE_MAX), eddy::misuse);
    EXPECT_EQ(permits.available_permits(), semaphore::max_permits);
    EXPECT_FALSE(permits.is_closed());
    EXPECT_THROW(semaphore(semaphore::max_permits + 1), eddy::misuse);
    EXPECT_THROW(static_cast<void>(permits.acquire(semaphore::max_permits + 1)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(permits.try_acquire(semaphore::max_permits + 1)), eddy::misuse);
    EXPECT_EQ(permits.try_acquire(semaphore::max_permits).value().num_permits(), semaphore::max_permits);
}

TEST(SyncSemaphore, MaxPermitsCanBeHeldSplitAndAwaited) {
    constexpr auto most = semaphore::max_permits;
    semaphore all(most);
    EXPECT_THROW(static_cast<void>(all.acquire(std::size_t{1} << 61)), eddy::misuse);
    auto whole = all.try_acquire(most);
    ASSERT_TRUE(whole.has_value());
    by_hand waits(all.acquire(most));
    assert_pending(waits.poll());
    EXPECT_THROW(all.add_permits(most + 1), eddy::misuse);
    auto one = whole->split(1);
    *whole = std::move(*one);
    EXPECT_EQ(all.available_permits(), most - 1);
    EXPECT_EQ(all.forget_permits(std::numeric_limits<std::size_t>::max()), most - 1);
    assert_pending(waits.poll());
    whole = std::unexpected(try_acquire_error::closed);
    EXPECT_THROW(all.add_permits(most), eddy::misuse);
    all.add_permits(most - 1);
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
}

// covers: P086
TEST(SyncSemaphore, ReleaseReturnsAPermitEarly) {
    semaphore permits(3);
    by_hand waits(permits.acquire(2));
    {
        auto held = std::move(*permits.try_acquire(2));
        assert_pending(waits.poll());
        held.release();
        EXPECT_EQ(held.num_permits(), 0u);
        EXPECT_TRUE(waits.is_woken());
        held.release();
    }
    EXPECT_EQ(permits.available_permits(), 1u);
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
    EXPECT_EQ(permits.available_permits(), 3u);
}

// covers: P086
TEST(SyncSemaphore, ForgetPermitsTakesOnlyFreeOnes) {
    semaphore permits(5);
    const auto held = permits.try_acquire(3).value();
    EXPECT_EQ(permits.forget_permits(10), 2u);
    EXPECT_EQ(permits.forget_permits(1), 0u);
    EXPECT_EQ(permits.available_permits(), 0u);
}

// covers: P086
TEST(SyncSemaphore, ForgottenPermitIsNotReturned) {
    semaphore permits(2);
    permits.try_acquire().value().forget();
    EXPECT_EQ(permits.available_permits(), 1u);
}

// covers: P086
TEST(SyncSemaphore, PermitsSplitAndMerge) {
    semaphore permits(5);
    auto all = permits.try_acquire(5).value();
    EXPECT_FALSE(all.split(6).has_value());
    EXPECT_EQ(all.num_permits(), 5u);
    auto two = all.split(2);
    EXPECT_EQ(all.num_permits(), 3u);
    EXPECT_EQ(two->num_permits(), 2u);
    auto one = two->split(1);
    two.reset();
    EXPECT_EQ(permits.available_permits(), 1u);
    all.merge(std::move(*one));
    EXPECT_EQ(all.num_permits(), 4u);
    one.reset();
    EXPECT_EQ(permits.available_permits(), 1u);
    all.merge(permits.try_acquire().value());
    EXPECT_EQ(all.num_permits(), 5u);
}

TEST(SyncSemaphore, PermitSurvivesSelfMove) {
    semaphore permits(3);
    auto permit = permits.try_acquire(2);
    auto& same_permit = *permit;
    *permit = std::move(same_permit);
    EXPECT_EQ(permit->num_permits(), 2u);
    auto parts = permit->split(1);
    permit->merge(std::move(*parts));
    EXPECT_EQ(permit->num_permits(), 2u);
    permit = std::unexpected(try_acquire_error::no_permits);
    EXPECT_EQ(permits.available_permits(), 3u);
}

// covers: P086
TEST(SyncSemaphore, PermitsOfDifferentSemaphoresDoNotMerge) {
    semaphore one(1);
    semaphore other(1);
    auto mine = one.try_acquire().value();
    EXPECT_THROW(mine.merge(other.try_acquire().value()), eddy::misuse);
    EXPECT_EQ(mine.num_permits(), 1u);
    EXPECT_EQ(other.available_permits(), 1u);
}

// covers: P086
TEST(SyncSemaphore, OwnedPermitsKeepTheSemaphoreAlive) {
    auto shared = std::make_shared<semaphore>(2);
    const std::weak_ptr<semaphore> seen = shared;
    by_hand acquires(semaphore::acquire_owned(shared, 2));
    std::optional<semaphore::owned_permit> held = permit_of(acquires);
    acquires.drop();
    shared.reset();
    EXPECT_FALSE(seen.expired());
    auto part = held->split(1);
    held.reset();
    EXPECT_EQ(seen.lock()->available_permits(), 1u);
    part.reset();
    EXPECT_TRUE(seen.expired());
    EXPECT_THROW(static_cast<void>(semaphore::acquire_owned(nullptr)), eddy::misuse);
}

// covers: P086
TEST(SyncSemaphore, WaitingOwnedFutureKeepsTheSemaphoreAlive) {
    auto shared = std::make_shared<semaphore>(0);
    const std::weak_ptr<semaphore> seen = shared;
    {
        by_hand acquires(semaphore::acquire_owned(shared));
        assert_pending(acquires.poll());
        EXPECT_EQ(semaphore::try_acquire_owned(shared).error(), try_acquire_error::no_permits);
        shared.reset();
        seen.lock()->add_permits(1);
        const auto held = permit_of(acquires);
    }
    EXPECT_TRUE(seen.expired());
}

// covers: P086
TEST(SyncSemaphore, AcquireOfZeroPermitsIsAlwaysReady) {
    semaphore permits(0);
    by_hand waits(permits.acquire());
    assert_pending(waits.poll());
    by_hand none(permits.acquire(0));
    EXPECT_EQ(permit_of(none).num_permits(), 0u);
}

// covers: P086
TEST(SyncSemaphore, OneReleaseWakesMoreThanABatchOfWaiters) {
    constexpr std::size_t count = 100;
    semaphore permits(0);
    std::list<by_hand<semaphore::acquire_future>> waiting;
    for (std::size_t i = 0; i < count; ++i) assert_pending(waiting.emplace_back(permits.acquire()).poll());
    permits.add_permits(count);
    for (auto& one : waiting) EXPECT_EQ(one.wakes(), 1u);
    waiting.clear();
    EXPECT_EQ(permits.available_permits(), count);

    for (std::size_t i = 0; i < count; ++i) assert_pending(waiting.emplace_back(permits.acquire(count + 1)).poll());
    permits.close();
    for (auto& one : waiting) EXPECT_FALSE(assert_ready(one.poll()).has_value());
}

// covers: P086
TEST(SyncSemaphore, DroppedRequestWakesMoreThanABatchOfWaiters) {
    constexpr std::size_t count = 100;
    semaphore permits(count);
    by_hand large(permits.acquire(count + 1));
    assert_pending(large.poll());
    std::list<by_hand<semaphore::acquire_future>> waiting;
    for (std::size_t i = 0; i < count; ++i) assert_pending(waiting.emplace_back(permits.acquire()).poll());
    large.drop();
    for (auto& one : waiting) EXPECT_EQ(one.wakes(), 1u);
}

// covers: P086
TEST(SyncSemaphore, WakerCallbacksMayUseTheSemaphore) {
    semaphore permits(0);
    support::calling_waker back([&] { static_cast<void>(permits.forget_permits(0)); });  // takes the lock
    {
        auto waits = permits.acquire();
        assert_pending(support::poll_with(waits, back.waker_that_always_calls()));
        auto other = permits.acquire();
        assert_pending(support::poll_with(other, back.waker_that_always_calls()));
        assert_pending(support::poll_with(other, eddy::waker::noop()));
        permits.add_permits(1);
    }
    EXPECT_EQ(permits.available_permits(), 1u);
}

// covers: P086
TEST(SyncSemaphore, PollChargesCoopBudgetOnlyWhenReady) {
    semaphore permits(1);
    by_hand first(permits.acquire());
    assert_pending(first.poll(0));
    EXPECT_TRUE(first.is_woken());
    const auto held = assert_ready(first.poll(1)).value();
    auto waits = permits.acquire();
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    assert_pending(waits.poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
}

// covers: P086
TEST(SyncSemaphore, TryConvertsAcquireErrorToErrorCode) {
    semaphore permits(0);
    permits.close();
    auto acquire = [&]() -> eddy::task<eddy::result<void>> {
        const auto permit = co_await eddy::try_(permits.acquire());
        co_return {};
    };
    EXPECT_EQ(eddy::wait(acquire()).error(), eddy::errc::semaphore_closed);
}

// covers: P086
TEST(SyncSemaphore, SelectLoserLeavesTheQueue) {
    semaphore permits(0);
    auto [tx, rx] = eddy::sync::oneshot<>::channel();
    by_hand either(eddy::select(permits.acquire(), std::move(rx)));
    assert_pending(either.poll());
    static_cast<void>(tx.send());
    EXPECT_EQ(assert_ready(either.poll()).index(), 1u);
    permits.add_permits(1);
    EXPECT_EQ(permits.available_permits(), 1u);
}

// covers: P086
TEST(SyncSemaphoreDeathTest, DestructionWithWaitersTerminates) {
    EXPECT_DEATH(
        {
            auto permits = std::make_unique<semaphore>(0);
            by_hand waits(permits->acquire());
            static_cast<void>(waits.poll());
            permits.reset();
        },
        "keep it until its futures are gone");
}

// covers: P086
TEST(SyncSemaphoreDeathTest, DestructionWithPermitsInUseTerminates) {
    constexpr const char* text = "a sync::semaphore was destroyed while permits are in use: keep it until its permits";
    EXPECT_DEATH(
        {
            auto permits = std::make_unique<semaphore>(1);
            const auto permit = permits->try_acquire();
            permits.reset();
        },
        text);
    // The permit is assigned to a future that is not polled again.
    EXPECT_DEATH(
        {
            auto permits = std::make_unique<semaphore>(0);
            by_hand waits(permits->acquire());
            static_cast<void>(waits.poll());
            permits->add_permits(1);
            permits.reset();
        },
        text);
}

TEST(SyncSemaphore, MayBeDestroyedAfterNumberOfPermitsHasChanged) {
    auto permits = std::make_unique<semaphore>(3);
    permits->add_permits(5);
    EXPECT_EQ(permits->forget_permits(2), 2u);
    auto taken = permits->try_acquire(4);
    ASSERT_TRUE(taken.has_value());
    auto part = taken->split(1);
    part->forget();
    taken->merge(std::move(*permits->try_acquire(2)));
    EXPECT_EQ(taken->num_permits(), 5u);
    taken->release();
    taken->release();
    EXPECT_THROW(permits->add_permits(semaphore::max_permits), eddy::misuse);
    EXPECT_EQ(permits->forget_permits(100), 5u);
    permits->add_permits(1);
    permits->close();
    EXPECT_EQ(permits->available_permits(), 1u);
    permits.reset();
    EXPECT_EQ(permits, nullptr);
}

// ---- poll_semaphore ----

// covers: P091
TEST(SyncPollSemaphore, KeepsItsPlaceBetweenPolls) {
    auto shared = std::make_shared<semaphore>(0);
    poll_semaphore mine(shared);
    poll_semaphore other(shared);
    eddy::test::wake_counter first;
    eddy::test::wake_counter second;
    const auto mine_waker = first.waker();
    const auto other_waker = second.waker();
    eddy::context cx(mine_waker);
    eddy::context other_cx(other_waker);
    assert_pending(mine.poll_acquire(cx));
    assert_pending(other.poll_acquire(other_cx));
    assert_pending(mine.poll_acquire(cx));
    shared->add_permits(1);
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 0);
    {
        const auto permit = assert_ready(mine.poll_acquire(cx));
        EXPECT_EQ(permit.value().num_permits(), 1u);
        assert_pending(mine.poll_acquire(cx));
    }
    EXPECT_EQ(second.wakes(), 1u);  // granted before `mine`, which has queued again
    mine.stop_waiting();
    EXPECT_EQ(first.wakers(), 1u);
}

// covers: P091
TEST(SyncPollSemaphore, ChangedCountReplacesThePendingRequest) {
    auto shared = std::make_shared<semaphore>(1);
    poll_semaphore mine(shared);
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    assert_pending(mine.poll_acquire(cx, 2));
    const auto permit = assert_ready(mine.poll_acquire(cx, 1));
    EXPECT_TRUE(permit.has_value());
    EXPECT_EQ(mine.available_permits(), 0u);
}

// covers: R063
TEST(SyncPollSemaphore, DestructorReturnsAGrantedPermit) {
    auto shared = std::make_shared<semaphore>(0);
    {
        poll_semaphore mine(shared);
        assert_pending(support::poll_with(*std::make_unique<eddy::next_future<poll_semaphore>>(mine), eddy::waker()));
        shared->add_permits(1);
        EXPECT_EQ(shared->available_permits(), 0u);
    }
    EXPECT_EQ(shared->available_permits(), 1u);
}

// covers: P091
TEST(SyncPollSemaphore, StreamEndsWhenTheSemaphoreIsClosed) {
    auto work = []() -> eddy::task<int> {
        poll_semaphore limit(std::make_shared<semaphore>(1));
        int count = 0;
        while (auto permit = co_await limit.next()) {
            if (++count == 3) limit.close();
        }
        co_return count;
    };
    EXPECT_EQ(eddy::wait(work()), 3);
    EXPECT_THROW(poll_semaphore(nullptr), eddy::misuse);
}

TEST(SyncPollSemaphoreDeathTest, MovedFromObjectThrowsMisuse) {
    EXPECT_COMES_BACK([] {
        poll_semaphore from(std::make_shared<semaphore>(1));
        const auto to = std::move(from);
        // NOLINTBEGIN(bugprone-use-after-move): the moved-from object is tested
        EXPECT_NE(support::text_of_misuse([&] {
                      static_cast<void>(support::poll_with(*std::make_unique<eddy::next_future<poll_semaphore>>(from),
                                                           eddy::waker::noop()));
                  }),
                  "(nothing was thrown)");
        static_cast<void>(from.is_closed());
        from.close();
        // NOLINTEND(bugprone-use-after-move)
    });
}

}  // namespace
