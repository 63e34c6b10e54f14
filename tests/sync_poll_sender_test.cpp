// SPDX-License-Identifier: MIT
#include <eddy/sync/poll_sender.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

#include <eddy/test/by_hand.hpp>

namespace {

using eddy::sync::mpsc;
using eddy::sync::poll_sender;
using eddy::sync::try_recv_error;
using eddy::test::assert_pending;
using eddy::test::assert_ready;

/// A task's context, and how often it is woken.
struct polling {
    eddy::test::wake_counter wakes;
    eddy::waker waker = wakes.waker();
    eddy::context cx{waker};
};

TEST(SyncPollSender, P091_KeepsRoomForOneValue) {
    auto [tx, rx] = mpsc<std::unique_ptr<int>>::channel(1);
    poll_sender out(std::move(tx));
    polling task;
    EXPECT_THROW(static_cast<void>(out.send_item(nullptr)), eddy::misuse);
    EXPECT_TRUE(assert_ready(out.poll_reserve(task.cx)).has_value());
    EXPECT_TRUE(assert_ready(out.poll_reserve(task.cx)).has_value());  // the same room
    EXPECT_EQ(rx.capacity(), 0u);
    EXPECT_TRUE(out.send_item(std::make_unique<int>(5)).has_value());
    assert_pending(out.poll_reserve(task.cx));
    EXPECT_THROW(static_cast<void>(out.send_item(nullptr)), eddy::misuse);
    EXPECT_EQ(**rx.try_recv(), 5);
    EXPECT_EQ(task.wakes.wakes(), 1u);
    EXPECT_TRUE(assert_ready(out.poll_reserve(task.cx)).has_value());
    EXPECT_TRUE(out.send_item(std::make_unique<int>(6)).has_value());
    EXPECT_EQ(**rx.try_recv(), 6);
}

TEST(SyncPollSender, P091_KeepsItsPlaceFromPollToPoll) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender first(tx);
    poll_sender second(tx);
    polling one;
    polling two;
    EXPECT_TRUE(tx.try_send(0).has_value());
    assert_pending(first.poll_reserve(one.cx));
    assert_pending(second.poll_reserve(two.cx));
    assert_pending(first.poll_reserve(one.cx));
    EXPECT_EQ(rx.try_recv(), 0);
    EXPECT_TRUE(one.wakes.wakes() == 1 && two.wakes.wakes() == 0);
    EXPECT_TRUE(first.abort_send());  // what it was given goes on
    EXPECT_EQ(two.wakes.wakes(), 1u);
    EXPECT_FALSE(first.abort_send());
    EXPECT_TRUE(assert_ready(second.poll_reserve(two.cx)).has_value());
    EXPECT_TRUE(second.abort_send());
    EXPECT_EQ(tx.capacity(), 1u);
}

TEST(SyncPollSender, P091_SaysThatTheReceiverIsGone) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender out(std::move(tx));
    polling task;
    EXPECT_FALSE(out.is_closed());
    EXPECT_TRUE(assert_ready(out.poll_reserve(task.cx)).has_value());
    {
        auto gone = std::move(rx);
    }
    EXPECT_TRUE(out.is_closed());
    EXPECT_TRUE(out.send_item(1).has_value());  // there was room for it, though nobody looks
    EXPECT_FALSE(assert_ready(out.poll_reserve(task.cx)).has_value());
}

TEST(SyncPollSender, P091_CloseLetsTheSenderGo) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender out(std::move(tx));
    polling task;
    out.close();
    EXPECT_TRUE(out.is_closed());
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
    EXPECT_FALSE(assert_ready(out.poll_reserve(task.cx)).has_value());
    EXPECT_EQ(out.send_item(3).error().value, 3);
}

TEST(SyncPollSender, P091_RoomThatIsKeptOutlivesTheClose) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender out(std::move(tx));
    polling task;
    EXPECT_TRUE(assert_ready(out.poll_reserve(task.cx)).has_value());
    out.close();
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
    EXPECT_TRUE(out.send_item(4).has_value());
    EXPECT_TRUE(out.is_closed());
    EXPECT_EQ(rx.try_recv(), 4);
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
}

TEST(SyncPollSender, P098_IsASink) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender out(std::move(tx));
    polling task;
    EXPECT_TRUE(assert_ready(out.poll_ready(task.cx)).has_value());
    EXPECT_TRUE(out.start_send(1).has_value());
    EXPECT_TRUE(assert_ready(out.poll_flush(task.cx)).has_value());
    assert_pending(out.poll_ready(task.cx));
    EXPECT_TRUE(assert_ready(out.poll_close(task.cx)).has_value());
    EXPECT_EQ(rx.try_recv(), 1);
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
}

}  // namespace
