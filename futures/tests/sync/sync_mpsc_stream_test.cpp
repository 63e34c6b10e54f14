// SPDX-License-Identifier: MIT
// mpsc channels as streams and sinks: poll_sender, unbounded_sender and the receivers.
// runs: tsan
#include <eddy/sync/poll_sender.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/runtime/wait.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/fragile.hpp"
#include "support/futures/channel_ends.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::mpsc;
using eddy::sync::poll_sender;
using eddy::sync::try_recv_error;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::drop;
using support::failing_move;
using support::fragile;
using support::receive;

/// A context, and the number of its wakes.
struct polling {
    eddy::test::wake_counter wakes;
    eddy::waker waker = wakes.waker();
    eddy::context cx{waker};
};

// covers: P091
TEST(SyncPollSender, ReserveKeepsCapacityForOneValue) {
    auto [tx, rx] = mpsc<std::unique_ptr<int>>::channel(1);
    poll_sender out(std::move(tx));
    polling task;
    EXPECT_THROW(static_cast<void>(out.send_item(nullptr)), eddy::misuse);
    EXPECT_TRUE(assert_ready(out.poll_reserve(task.cx)).has_value());
    EXPECT_TRUE(assert_ready(out.poll_reserve(task.cx)).has_value());  // keeps the same capacity
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

// covers: P091
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
    EXPECT_TRUE(first.abort_send());  // the granted capacity goes to the next sender
    EXPECT_EQ(two.wakes.wakes(), 1u);
    EXPECT_FALSE(first.abort_send());
    EXPECT_TRUE(assert_ready(second.poll_reserve(two.cx)).has_value());
    EXPECT_TRUE(second.abort_send());
    EXPECT_EQ(tx.capacity(), 1u);
}

// covers: P091
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
    EXPECT_TRUE(out.send_item(1).has_value());  // the capacity was reserved before the receiver was dropped
    EXPECT_FALSE(assert_ready(out.poll_reserve(task.cx)).has_value());
}

// covers: P091
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

// covers: P091
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

// covers: P098
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

// ---- poll_sender as a sink ----

/// Receives all values that are in a channel.
template <class Receiver>
std::vector<int> drain(Receiver& rx) {
    std::vector<int> values;
    while (auto value = rx.try_recv()) values.push_back(*value);
    return values;
}

// covers: P098
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

// covers: P098
TEST(SyncPollSender, SendAllLeavesTheChannelOpen) {
    auto [tx, rx] = mpsc<int>::channel(8);
    poll_sender out(std::move(tx));
    EXPECT_TRUE(assert_ready(by_hand(out.send_all(eddy::streams::iter(std::vector{1, 2}))).poll()).has_value());
    EXPECT_TRUE(assert_ready(by_hand(out.send(3)).poll()).has_value());
    EXPECT_TRUE(assert_ready(by_hand(out.feed(4)).poll()).has_value());
    EXPECT_EQ(drain(rx), (std::vector{1, 2, 3, 4}));
    EXPECT_EQ(rx.capacity(), 8u) << "no capacity stays reserved without an item";
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
    EXPECT_TRUE(assert_ready(by_hand(out.close()).poll()).has_value());
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
    EXPECT_FALSE(assert_ready(by_hand(out.send(5)).poll()).has_value());
}

// covers: P098
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

// covers: P098 I20.3.7
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

// covers: P098
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
    EXPECT_FALSE(waits.is_woken()) << "the first sender keeps its place";
    by_hand again(first.send(3));
    EXPECT_TRUE(assert_ready(again.poll()).has_value());
    EXPECT_EQ(rx.try_recv(), 3);
    EXPECT_TRUE(waits.is_woken());
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
    EXPECT_EQ(rx.try_recv(), 2);
}

// covers: P098
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

// covers: P098
TEST(SyncPollSender, ForwardYieldsWhenItsBudgetIsUsedUp) {
    auto [tx, rx] = mpsc<int>::channel(1000);
    by_hand sent(eddy::streams::repeat_with([] { return 1; }).take(500).forward(poll_sender(std::move(tx))));
    int polls = 1;
    for (; !sent.poll(); ++polls) ASSERT_TRUE(sent.is_woken() && polls < 100);
    EXPECT_GE(polls, 4);
    EXPECT_EQ(rx.len(), 500u);
}

// covers: P098
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

// covers: P098
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

// ---- poll_sender: values whose moves throw ----

TEST(SyncPollSender, StaysDisconnectedWhenItsLastSendThrows) {
    for (int nth = 0; nth < 6; ++nth) {
        auto [tx, rx] = mpsc<fragile>::channel(2);
        poll_sender<fragile> out(std::move(tx));
        {
            const eddy::waker none;
            eddy::context cx(none);
            EXPECT_TRUE(out.poll_reserve(cx).is_ready());
        }
        out.disconnect();
        try {
            fragile value(1);
            const failing_move fails(nth);
            static_cast<void>(out.send_item(std::move(value)));
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the value is lost
        }
        // If the move into the argument threw, send_item() did not run, and the capacity is still reserved.
        static_cast<void>(out.abort_send());
        EXPECT_TRUE(out.is_closed()) << "disconnect() must release the sender after this item; move" << nth << " threw";
        EXPECT_EQ(rx.sender_strong_count(), 0u) << nth;
    }
}

/// As above, but without abort_send(): after disconnect() the sender must not send anything else.
TEST(SyncPollSender, ReservesNothingAfterALastSendThatThrew) {
    auto [tx, rx] = mpsc<fragile>::channel(2);
    poll_sender<fragile> out(std::move(tx));
    const eddy::waker none;
    eddy::context cx(none);
    EXPECT_TRUE(out.poll_reserve(cx).is_ready());
    out.disconnect();
    fragile value(1);
    {
        const failing_move fails(1);  // the first move constructs the argument
        EXPECT_THROW(static_cast<void>(out.send_item(std::move(value))), std::runtime_error);
    }
    const auto again = out.poll_reserve(cx);
    EXPECT_TRUE(again.is_ready() && !again->has_value()) << "a disconnected sender reserves no more capacity";
    EXPECT_TRUE(out.is_closed());
}

// ---- mpsc: the receiver as a stream ----

// covers: P079
TEST(SyncMpsc, ReceiverWorksAsAStream) {
    auto sum_up = [](mpsc<int>::receiver rx) -> eddy::task<int> {
        int sum = 0;
        const auto add = [&](int value) { sum += value; };
        auto all = std::move(rx).for_each(add);
        static_cast<void>(co_await all);
        co_return sum;
    };
    auto [tx, rx] = mpsc<int>::channel(4);
    for (int i = 1; i <= 4; ++i) EXPECT_TRUE(tx.try_send(i).has_value());
    drop(std::move(tx));
    EXPECT_EQ(eddy::wait(sum_up(std::move(rx))), 10);
}

// covers: P097
TEST(SyncMpsc, DroppedStreamAdaptorLosesNoValue) {
    auto [tx, rx] = mpsc<int>::channel(4);
    {
        by_hand next(rx.next());
        assert_pending(next.poll());
        EXPECT_TRUE(tx.try_send(1).has_value());
        EXPECT_TRUE(next.is_woken());
    }  // woken, and dropped before its next poll
    {
        by_hand two(rx.by_ref().take(2).collect());
        assert_pending(two.poll());
        EXPECT_TRUE(tx.try_send(2).has_value());
        EXPECT_EQ(assert_ready(two.poll()), (std::vector<int>{1, 2}));
    }
    EXPECT_FALSE(tx.is_closed()) << "by_ref() only borrows the receiver";
    EXPECT_TRUE(tx.try_send(3).has_value());
    EXPECT_EQ(receive(rx), 3);
}

// covers: P097 I20.3.7
TEST(SyncMpsc, StreamOfAClosedReceiverDrainsSentValues) {
    auto [tx, rx] = mpsc<int>::channel(4);
    for (int i = 1; i <= 3; ++i) EXPECT_TRUE(tx.try_send(i).has_value());
    auto permit = tx.try_reserve();
    rx.close();
    by_hand all(std::move(rx).map([](int i) { return i * 10; }).collect());
    assert_pending(all.poll());  // a permit is outstanding
    permit->send(4);
    EXPECT_TRUE(all.is_woken());
    EXPECT_EQ(assert_ready(all.poll()), (std::vector<int>{10, 20, 30, 40}));
}

// covers: P097
TEST(SyncMpsc, FinishedTakeAdaptorClosesTheChannel) {
    auto [tx, rx] = mpsc<int>::channel(1);
    by_hand first(std::move(rx).take(1).collect());
    assert_pending(first.poll());
    EXPECT_TRUE(tx.try_send(1).has_value());
    by_hand second(tx.send(2));
    by_hand third(tx.send(3));
    assert_pending(second.poll());
    assert_pending(third.poll());
    EXPECT_EQ(assert_ready(first.poll()), std::vector<int>{1});
    EXPECT_TRUE(tx.is_closed());
    EXPECT_TRUE(assert_ready(second.poll()).has_value()) << "it was granted the capacity of the first value";
    EXPECT_TRUE(third.is_woken());
    EXPECT_EQ(assert_ready(third.poll()).error().value, 3);
}

// covers: P097
TEST(SyncMpsc, UnboundedReceiverWorksAsAStream) {
    auto [tx, rx] = mpsc<int>::unbounded_channel();
    by_hand sum(std::move(rx).filter([](int i) { return i != 2; }).fold(0, [](int a, int b) { return a + b; }));
    assert_pending(sum.poll());
    for (int i = 1; i <= 3; ++i) EXPECT_TRUE(tx.send(i).has_value());
    EXPECT_EQ(sum.wakes(), 1u);
    assert_pending(sum.poll());
    drop(std::move(tx));
    EXPECT_EQ(assert_ready(sum.poll()), 4);
}

// ---- mpsc: the unbounded sender as a sink ----

// covers: P098
TEST(SyncMpsc, UnboundedSenderIsAnAlwaysReadySink) {
    static_assert(eddy::sink<mpsc<int>::unbounded_sender, int>);
    auto [tx, rx] = mpsc<int>::unbounded_channel();
    auto kept = tx;
    by_hand sent(eddy::streams::iter(std::vector{1, 2, 3}).forward(std::move(tx)));
    EXPECT_TRUE(assert_ready(sent.poll()).has_value());
    EXPECT_EQ(rx.len(), 3u);
    EXPECT_EQ(kept.strong_count(), 1u) << "forward() has destroyed its sender";
    EXPECT_TRUE(assert_ready(by_hand(kept.send_all(eddy::streams::once(4))).poll()).has_value());
    EXPECT_TRUE(assert_ready(by_hand(kept.feed(5)).poll()).has_value());
    EXPECT_FALSE(rx.is_closed());
    EXPECT_TRUE(assert_ready(by_hand(kept.close()).poll()).has_value());
    EXPECT_TRUE(kept.is_closed());
    EXPECT_EQ(assert_ready(by_hand(std::move(rx).collect()).poll()), (std::vector<int>{1, 2, 3, 4, 5}));
}

// covers: P098
TEST(SyncMpsc, UnboundedSinkFailsAfterTheReceiverIsDropped) {
    auto [tx, rx] = mpsc<int>::unbounded_channel();
    auto [more, numbers] = mpsc<int>::channel(4);
    by_hand sent(tx.send_all(std::move(numbers)));
    EXPECT_TRUE(more.try_send(1).has_value());
    assert_pending(sent.poll());
    drop(std::move(rx));
    EXPECT_TRUE(more.try_send(2).has_value());
    EXPECT_TRUE(sent.is_woken());
    EXPECT_FALSE(assert_ready(sent.poll()).has_value());
    EXPECT_TRUE(more.is_closed()) << "send_all() has destroyed its stream";
    EXPECT_FALSE(assert_ready(by_hand(tx.feed(1)).poll()).has_value());
    EXPECT_FALSE(tx.start_send(1).has_value());
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop);
    EXPECT_FALSE(assert_ready(tx.poll_ready(cx)).has_value()) << "the error is reported before an item is produced";
}

// covers: P098
TEST(SyncMpsc, ClosedUnboundedSinkRefusesItems) {
    auto [tx, rx] = mpsc<int>::unbounded_channel();
    EXPECT_TRUE(assert_ready(by_hand(tx.close()).poll()).has_value());
    EXPECT_FALSE(assert_ready(by_hand(tx.feed(1)).poll()).has_value());
    EXPECT_FALSE(tx.start_send(1).has_value());
    EXPECT_THROW(static_cast<void>(tx.send(1)), eddy::misuse);
    EXPECT_TRUE(assert_ready(by_hand(tx.close()).poll()).has_value());
    EXPECT_EQ(receive(rx), std::nullopt);
}

// covers: P098
TEST(SyncMpsc, EndlessSendAllYieldsWhenItsBudgetIsUsedUp) {
    auto [tx, rx] = mpsc<int>::unbounded_channel();
    int given = 0;
    auto endless = eddy::streams::poll_fn(
        [&](eddy::context&) { return eddy::poll_result<std::optional<int>>(std::optional(++given)); });
    by_hand sent(tx.send_all(std::move(endless)));
    assert_pending(sent.poll());
    EXPECT_TRUE(sent.is_woken());
    EXPECT_LE(rx.len(), 129u);
}

}  // namespace
