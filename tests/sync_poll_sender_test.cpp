// SPDX-License-Identifier: MIT
#include <eddy/sync/poll_sender.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/stream.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/wait.hpp>

#include "support/stress.hpp"

namespace {

using eddy::sync::mpsc;
using eddy::sync::poll_sender;
using eddy::sync::try_recv_error;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

/// A task's context, and how often it is woken.
struct polling {
    eddy::test::wake_counter wakes;
    eddy::waker waker = wakes.waker();
    eddy::context cx{waker};
};

TEST(SyncPollSender, ReserveKeepsCapacityForOneValue) {
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

TEST(SyncPollSender, KeepsItsPlaceBetweenPolls) {
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

TEST(SyncPollSender, ReserveFailsAfterTheReceiverIsDropped) {
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

TEST(SyncPollSender, DisconnectReleasesTheSender) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender out(std::move(tx));
    polling task;
    out.disconnect();
    EXPECT_TRUE(out.is_closed());
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
    EXPECT_FALSE(assert_ready(out.poll_reserve(task.cx)).has_value());
    EXPECT_EQ(out.send_item(3).error().value, 3);
}

TEST(SyncPollSender, ReservedCapacityOutlivesDisconnect) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender out(std::move(tx));
    polling task;
    EXPECT_TRUE(assert_ready(out.poll_reserve(task.cx)).has_value());
    out.disconnect();
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
    EXPECT_TRUE(out.send_item(4).has_value());
    EXPECT_TRUE(out.is_closed());
    EXPECT_EQ(rx.try_recv(), 4);
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
}

TEST(SyncPollSender, WorksAsASink) {
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

// ---- As a sink ----

/// What is in a channel.
template <class Receiver>
std::vector<int> drain(Receiver& rx) {
    std::vector<int> values;
    while (auto value = rx.try_recv()) values.push_back(*value);
    return values;
}

TEST(SyncPollSender, ForwardWaitsForCapacityAndClosesTheChannel) {
    auto [tx, rx] = mpsc<int>::channel(2);
    by_hand sent(eddy::streams::iter(std::vector{1, 2, 3, 4, 5}).forward(poll_sender(std::move(tx))));
    assert_pending(sent.poll());
    EXPECT_EQ(rx.len(), 2u);
    EXPECT_EQ(rx.try_recv(), 1);
    EXPECT_EQ(sent.wakes(), 1u);
    assert_pending(sent.poll());
    EXPECT_EQ(drain(rx), (std::vector{2, 3}));
    EXPECT_TRUE(sent.is_woken());
    EXPECT_TRUE(assert_ready(sent.poll()).has_value());
    EXPECT_EQ(drain(rx), (std::vector{4, 5}));
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
}

TEST(SyncPollSender, SendAllLeavesTheChannelOpen) {
    auto [tx, rx] = mpsc<int>::channel(8);
    poll_sender out(std::move(tx));
    EXPECT_TRUE(assert_ready(by_hand(out.send_all(eddy::streams::iter(std::vector{1, 2}))).poll()).has_value());
    EXPECT_TRUE(assert_ready(by_hand(out.send(3)).poll()).has_value());
    EXPECT_TRUE(assert_ready(by_hand(out.feed(4)).poll()).has_value());
    EXPECT_EQ(drain(rx), (std::vector{1, 2, 3, 4}));
    EXPECT_EQ(rx.capacity(), 8u) << "no room is kept when nothing is to be sent";
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
    EXPECT_TRUE(assert_ready(by_hand(out.close()).poll()).has_value());
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
    EXPECT_FALSE(assert_ready(by_hand(out.send(5)).poll()).has_value());
}

TEST(SyncPollSender, DroppedReceiverEndsAPendingForward) {
    auto ends = mpsc<int>::channel(1);
    by_hand sent(eddy::streams::iter(std::vector{1, 2, 3}).forward(poll_sender(std::move(ends.sender))));
    assert_pending(sent.poll());
    {
        const auto gone = std::move(ends.receiver);
    }
    EXPECT_TRUE(sent.is_woken());
    EXPECT_FALSE(assert_ready(sent.poll()).has_value());
}

TEST(SyncPollSender, CloseRefusesItemsAndKeepsSentOnes) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender out(std::move(tx));
    by_hand all(out.send_all(eddy::streams::iter(std::vector{1, 2})));
    assert_pending(all.poll());
    rx.close();
    EXPECT_TRUE(all.is_woken());
    EXPECT_FALSE(assert_ready(all.poll()).has_value());
    EXPECT_TRUE(out.is_closed());
    EXPECT_EQ(rx.try_recv(), 1);
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
}

TEST(SyncPollSender, DroppedSendKeepsItsPlaceForTheNextSend) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender first(tx);
    poll_sender second(tx);
    EXPECT_TRUE(tx.try_send(0).has_value());
    {
        by_hand dropped(first.send(1));
        assert_pending(dropped.poll());
    }
    by_hand waits(second.send(2));
    assert_pending(waits.poll());
    EXPECT_EQ(rx.try_recv(), 0);
    EXPECT_FALSE(waits.is_woken()) << "the first has its place still";
    by_hand again(first.send(3));
    EXPECT_TRUE(assert_ready(again.poll()).has_value());
    EXPECT_EQ(rx.try_recv(), 3);
    EXPECT_TRUE(waits.is_woken());
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
    EXPECT_EQ(rx.try_recv(), 2);
}

TEST(SyncPollSender, WorksWithSinkAdaptors) {
    auto [tx, rx] = mpsc<int>::channel(1);
    auto [side, seen] = mpsc<int>::channel(8);
    auto doubled = poll_sender(std::move(tx)).with<int>([](int i) { return 2 * i; }).buffer<int>(2);
    auto both = std::move(doubled).fanout(poll_sender(std::move(side)));
    for (int i = 1; i <= 2; ++i) EXPECT_TRUE(assert_ready(by_hand(both.feed(i)).poll()).has_value());
    by_hand closes(both.close());
    assert_pending(closes.poll());
    EXPECT_EQ(drain(rx), std::vector{2});
    EXPECT_TRUE(closes.is_woken());
    EXPECT_TRUE(assert_ready(closes.poll()).has_value());
    EXPECT_EQ(drain(rx), std::vector{4});
    EXPECT_EQ(drain(seen), (std::vector{1, 2}));
}

TEST(SyncPollSender, ForwardYieldsWhenItsBudgetIsUsedUp) {
    auto [tx, rx] = mpsc<int>::channel(1000);
    by_hand sent(eddy::streams::repeat_with([] { return 1; }).take(500).forward(poll_sender(std::move(tx))));
    int polls = 1;
    for (; !sent.poll(); ++polls) ASSERT_TRUE(sent.is_woken() && polls < 100);
    EXPECT_GE(polls, 4);
    EXPECT_EQ(rx.len(), 500u);
}

TEST(SyncPollSenderStress, ThreadsForwardIntoOneChannel) {
    constexpr int senders = 3;
    const int each = static_cast<int>(support::rounds(20'000));
    auto ends = mpsc<int>::channel(4);
    std::vector<std::thread> threads;
    threads.reserve(senders);
    for (int i = 0; i < senders; ++i) {
        threads.emplace_back([each, tx = ends.sender] {
            auto numbers = eddy::streams::iter(std::views::iota(0, each));
            EXPECT_TRUE(eddy::wait(std::move(numbers).forward(poll_sender(tx))).has_value());
        });
    }
    {
        const auto gone = std::move(ends.sender);
    }
    const auto sum =
        eddy::wait(std::move(ends.receiver).fold(std::int64_t{0}, [](std::int64_t all, int one) { return all + one; }));
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(sum, std::int64_t{senders} * each * (each - 1) / 2);
}

TEST(SyncPollSender, CloseReleasesReservedCapacity) {
    auto [tx, rx] = mpsc<int>::channel(1);
    poll_sender out(tx);
    polling task;
    EXPECT_TRUE(assert_ready(out.poll_ready(task.cx)).has_value());
    by_hand waits(tx.send(1));
    assert_pending(waits.poll());
    EXPECT_TRUE(assert_ready(by_hand(out.close()).poll()).has_value());
    EXPECT_TRUE(waits.is_woken());
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
    EXPECT_EQ(rx.try_recv(), 1);
}

}  // namespace
