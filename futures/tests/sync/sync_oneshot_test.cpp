// SPDX-License-Identifier: MIT
#include <eddy/sync/oneshot.hpp>

#include <eddy/future/select.hpp>
#include <eddy/future/try.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <source_location>
#include <string>
#include <utility>

#include "support/polling.hpp"

namespace {

using eddy::sync::oneshot;
using eddy::sync::recv_error;
using eddy::sync::try_recv_error;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

TEST(SyncOneshot, ValueSentBeforeTheFirstPollIsReady) {
    auto [tx, rx] = oneshot<std::unique_ptr<int>>::channel();
    EXPECT_TRUE(tx.send(std::make_unique<int>(5)).has_value());
    by_hand hand(std::move(rx));
    EXPECT_EQ(**assert_ready(hand.poll()), 5);
    EXPECT_THROW(static_cast<void>(assert_ready(hand.poll())), eddy::misuse);
}

// covers: P081
TEST(SyncOneshot, SendWakesTheReceiverOnce) {
    auto [tx, rx] = oneshot<int>::channel();
    by_hand hand(std::move(rx));
    assert_pending(hand.poll());
    assert_pending(hand.poll());
    EXPECT_EQ(hand.wakers(), 1u);
    static_cast<void>(tx.send(1));
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(hand.wakers(), 0u);
    EXPECT_EQ(assert_ready(hand.poll()), 1);
}

TEST(SyncOneshot, DroppedSenderCompletesRecvWithAnError) {
    auto [tx, rx] = oneshot<int>::channel();
    by_hand hand(std::move(rx));
    assert_pending(hand.poll());
    {
        auto gone = std::move(tx);
    }
    EXPECT_EQ(hand.wakes(), 1u);
    const auto error = assert_ready(hand.poll()).error();
    EXPECT_EQ(error, recv_error());
    EXPECT_EQ(error.to_error_code(), eddy::errc::channel_closed);
}

TEST(SyncOneshot, TryConvertsRecvErrorToErrorCode) {
    auto receive = [](oneshot<int>::receiver rx) -> eddy::task<eddy::result<int>> {
        co_return co_await eddy::try_(rx);
    };
    auto [tx, rx] = oneshot<int>::channel();
    {
        auto gone = std::move(tx);
    }
    EXPECT_EQ(eddy::wait(receive(std::move(rx))).error(), eddy::errc::channel_closed);
}

// covers: P081
TEST(SyncOneshot, SendReturnsTheValueWhenTheReceiverIsDropped) {
    auto [tx, rx] = oneshot<std::unique_ptr<int>>::channel();
    EXPECT_FALSE(tx.is_closed());
    {
        auto gone = std::move(rx);
    }
    EXPECT_TRUE(tx.is_closed());
    auto back = tx.send(std::make_unique<int>(6));
    ASSERT_FALSE(back.has_value());
    EXPECT_EQ(*back.error(), 6);
}

TEST(SyncOneshot, SecondSendIsMisuse) {
    auto [tx, rx] = oneshot<int>::channel();
    static_cast<void>(tx.send(1));
    EXPECT_TRUE(tx.is_closed());
    EXPECT_THROW(static_cast<void>(tx.send(2)), eddy::misuse);
    EXPECT_EQ(rx.try_recv(), 1);
}

TEST(SyncOneshot, SendOnMovedFromSenderIsMisuse) {
    auto [tx, rx] = oneshot<>::channel();
    auto owner = std::move(tx);
    const unsigned line = std::source_location::current().line() + 1;
    const auto thrown = support::misuse_of([&] { static_cast<void>(tx.send()); });
    ASSERT_TRUE(thrown.has_value());
    EXPECT_NE(std::string(thrown->what()).find("was moved from"), std::string::npos) << thrown->what();
    EXPECT_EQ(thrown->where().line(), line);
    EXPECT_TRUE(owner.send().has_value());
    EXPECT_NE(support::text_of_misuse([&] { static_cast<void>(owner.send()); }).find("sends one value"),
              std::string::npos);
    EXPECT_TRUE(rx.try_recv().has_value());
}

TEST(SyncOneshot, VoidChannelOnlySignals) {
    auto [tx, rx] = oneshot<>::channel();
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
    EXPECT_TRUE(tx.send().has_value());
    EXPECT_TRUE(rx.blocking_recv().has_value());
}

TEST(SyncOneshot, TryRecvReportsEmptyValueOrClosed) {
    auto [tx, rx] = oneshot<int>::channel();
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
    static_cast<void>(tx.send(1));
    EXPECT_EQ(rx.try_recv(), 1);
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);

    auto [tx2, rx2] = oneshot<int>::channel();
    {
        auto gone = std::move(tx2);
    }
    EXPECT_EQ(rx2.try_recv().error(), try_recv_error::closed);
}

// covers: P081 I20.3.7
TEST(SyncOneshot, CloseKeepsASentValueAndRefusesLaterOnes) {
    auto [tx, rx] = oneshot<int>::channel();
    static_cast<void>(tx.send(1));
    rx.close();
    EXPECT_EQ(rx.try_recv(), 1);

    auto [tx2, rx2] = oneshot<int>::channel();
    rx2.close();
    EXPECT_TRUE(tx2.is_closed());
    EXPECT_EQ(tx2.send(2).error(), 2);
    EXPECT_EQ(rx2.try_recv().error(), try_recv_error::closed);
    by_hand hand(std::move(rx2));
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());
}

// covers: P081
TEST(SyncOneshot, ClosedCompletesWhenTheReceiverIsDropped) {
    auto [tx, rx] = oneshot<int>::channel();
    by_hand hand(tx.closed());
    assert_pending(hand.poll());
    {
        auto gone = std::move(rx);
    }
    EXPECT_EQ(hand.wakes(), 1u);
    EXPECT_EQ(hand.wakers(), 0u);
    assert_ready(hand.poll());
    EXPECT_THROW(static_cast<void>(assert_ready(hand.poll())), eddy::misuse);
}

TEST(SyncOneshot, DroppedClosedFutureReleasesItsWaker) {
    auto [tx, rx] = oneshot<int>::channel();
    by_hand hand(tx.closed());
    assert_pending(hand.poll());
    EXPECT_EQ(hand.wakers(), 1u);
    hand.drop();
    EXPECT_EQ(hand.wakers(), 0u);
    rx.close();
    EXPECT_EQ(hand.wakes(), 0u);
}

// covers: R077
TEST(SyncOneshot, ReceiverDroppedAfterAPollReleasesItsWaker) {
    auto [tx, rx] = oneshot<int>::channel();
    by_hand hand(std::move(rx));
    assert_pending(hand.poll());
    EXPECT_EQ(hand.wakers(), 1u);
    hand.drop();
    EXPECT_EQ(hand.wakers(), 0u);
    EXPECT_EQ(tx.send(1).error(), 1);
    EXPECT_EQ(hand.wakes(), 0u);
}

// covers: R077
TEST(SyncOneshot, ReceiverClosedAfterAPollReleasesItsWaker) {
    auto [tx, rx] = oneshot<int>::channel();
    by_hand hand(std::move(rx));
    assert_pending(hand.poll());
    hand.future().close();
    EXPECT_EQ(hand.wakers(), 0u);
    EXPECT_FALSE(assert_ready(hand.poll()).has_value());
}

TEST(SyncOneshot, UnreceivedValueIsFreedWithTheReceiver) {
    auto value = std::make_shared<int>(1);
    auto [tx, rx] = oneshot<std::shared_ptr<int>>::channel();
    static_cast<void>(tx.send(value));
    EXPECT_EQ(value.use_count(), 2);
    {
        auto gone = std::move(rx);
    }
    EXPECT_EQ(value.use_count(), 1);
}

// covers: P081
TEST(SyncOneshot, BorrowedReceiverThatLosesASelectKeepsItsValue) {
    auto [tx, rx] = oneshot<int>::channel();
    auto [go, gone] = oneshot<>::channel();
    {
        by_hand hand(eddy::select(std::ref(rx), std::move(gone)));
        assert_pending(hand.poll());
        static_cast<void>(go.send());
        EXPECT_EQ(assert_ready(hand.poll()).index(), 1u);
    }
    static_cast<void>(tx.send(3));
    EXPECT_EQ(rx.blocking_recv(), 3);
}

TEST(SyncOneshot, PollChargesCoopBudgetOnlyWhenReady) {
    auto [tx, rx] = oneshot<int>::channel();
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    assert_pending(rx.poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
    static_cast<void>(tx.send(1));
    by_hand hand(std::move(rx));
    assert_pending(hand.poll(0));
    EXPECT_TRUE(hand.is_woken());
    EXPECT_EQ(assert_ready(hand.poll(1)), 1);
}

// covers: P097
TEST(SyncOneshot, StreamOfTheReceiverGivesOneItem) {
    auto [tx, rx] = oneshot<std::unique_ptr<int>>::channel();
    auto items = eddy::streams::from_future(std::move(rx));
    {
        by_hand next(items.next());
        assert_pending(next.poll());
        EXPECT_TRUE(tx.send(std::make_unique<int>(5)).has_value());
        EXPECT_TRUE(next.is_woken());
    }  // dropped before its next poll: the value stays
    EXPECT_EQ(***assert_ready(by_hand(items.next()).poll()), 5);
    EXPECT_FALSE(assert_ready(by_hand(items.next()).poll()).has_value());
}

// covers: P097
TEST(SyncOneshot, StreamOfTheReceiverGivesTheRecvError) {
    auto [tx, rx] = oneshot<int>::channel();
    by_hand all(eddy::streams::from_future(std::move(rx)).collect());
    assert_pending(all.poll());
    {
        const auto gone = std::move(tx);
    }
    EXPECT_TRUE(all.is_woken());
    EXPECT_FALSE(assert_ready(all.poll()).has_value());
}

// covers: P097
TEST(SyncOneshot, DroppedStreamOfTheReceiverClosesTheChannel) {
    auto [tx, rx] = oneshot<int>::channel();
    by_hand closed(tx.closed());
    assert_pending(closed.poll());
    {
        const auto gone = eddy::streams::from_future(std::move(rx));
    }
    EXPECT_TRUE(closed.is_woken());
    EXPECT_TRUE(tx.is_closed());
}

// covers: P081 I20.5.1
TEST(SyncOneshot, IsTerminatedOnceTheOutcomeWasReceived) {
    {
        auto [tx, rx] = oneshot<int>::channel();
        EXPECT_FALSE(rx.is_terminated());
        static_cast<void>(tx.send(17));
        EXPECT_FALSE(rx.is_terminated());
        EXPECT_EQ(rx.blocking_recv(), 17);
        EXPECT_TRUE(rx.is_terminated());
    }
    {
        auto [tx, rx] = oneshot<int>::channel();
        static_cast<void>(tx.send(17));
        EXPECT_EQ(rx.try_recv(), 17);
        EXPECT_TRUE(rx.is_terminated());
    }
    {
        auto ends = oneshot<int>::channel();
        {
            auto gone = std::move(ends.sender);
        }
        EXPECT_FALSE(ends.receiver.is_terminated());
        EXPECT_FALSE(ends.receiver.blocking_recv().has_value());
        EXPECT_TRUE(ends.receiver.is_terminated());
    }
    {
        auto [tx, rx] = oneshot<int>::channel();
        rx.close();
        EXPECT_FALSE(rx.is_terminated());
        EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
        EXPECT_FALSE(rx.blocking_recv().has_value());
        EXPECT_TRUE(rx.is_terminated());
        auto moved = std::move(rx);
        EXPECT_TRUE(moved.is_terminated());
    }
}

// covers: P081 I20.5.2
TEST(SyncOneshot, IsEmptyUnlessThereIsAValueToReceive) {
    {
        auto [tx, rx] = oneshot<int>::channel();
        EXPECT_TRUE(rx.is_empty());
        static_cast<void>(tx.send(17));
        EXPECT_FALSE(rx.is_empty());
        rx.close();
        EXPECT_FALSE(rx.is_empty());
        EXPECT_EQ(rx.blocking_recv(), 17);
        EXPECT_TRUE(rx.is_empty());
    }
    {
        auto [tx, rx] = oneshot<>::channel();
        EXPECT_TRUE(rx.is_empty());
        static_cast<void>(tx.send());
        EXPECT_FALSE(rx.is_empty());
        EXPECT_TRUE(rx.try_recv().has_value());
        EXPECT_TRUE(rx.is_empty());
    }
    {
        auto ends = oneshot<int>::channel();
        {
            auto gone = std::move(ends.sender);
        }
        EXPECT_TRUE(ends.receiver.is_empty());
        EXPECT_FALSE(ends.receiver.is_terminated());
    }
    {
        auto [tx, rx] = oneshot<int>::channel();
        rx.close();
        EXPECT_TRUE(rx.is_empty());
        EXPECT_FALSE(tx.send(1).has_value());
        EXPECT_TRUE(rx.is_empty());
    }
}

}  // namespace
