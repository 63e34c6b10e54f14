// SPDX-License-Identifier: MIT
#include <eddy/sync/broadcast.hpp>

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <eddy/future/ready.hpp>
#include <eddy/future/try.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/futures/channel_ends.hpp"
#include "support/futures/first_wake.hpp"
#include "support/futures/moved_stream.hpp"
#include "support/futures/reentrant_waker.hpp"
#include "support/polling.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::broadcast;
using eddy::sync::broadcast_error;
using eddy::sync::broadcast_stream;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::continues_after_a_move;
using support::drop;
using support::expect_misuse_here;

broadcast_error lagged(std::uint64_t missed) { return broadcast_error(broadcast_error::kinds::lagged, missed); }
const broadcast_error closed(broadcast_error::kinds::closed);
const broadcast_error empty(broadcast_error::kinds::empty);

// covers: P082
TEST(SyncBroadcast, EveryReceiverGetsEveryValue) {
    auto [tx, rx] = broadcast<std::string>::channel(16);
    auto other = tx.subscribe();
    EXPECT_EQ(tx.send("one"), 2u);
    EXPECT_EQ(rx.try_recv(), "one");
    EXPECT_EQ(tx.send("two"), 2u);
    EXPECT_EQ(other.try_recv(), "one");
    EXPECT_EQ(other.try_recv(), "two");
    EXPECT_EQ(other.try_recv().error(), empty);
    EXPECT_EQ(rx.try_recv(), "two");
    EXPECT_EQ(rx.try_recv().error(), empty);
}

// covers: P082 I20.5.10
TEST(SyncBroadcast, SenderCreatedAloneHasNoReceiver) {
    broadcast<std::string>::sender tx(16);
    EXPECT_EQ(tx.receiver_count(), 0u);
    EXPECT_EQ(tx.sender_count(), 1u);
    EXPECT_EQ(tx.send("lost").error(), "lost");
    EXPECT_TRUE(tx.is_empty());
    by_hand gone(tx.closed());
    assert_ready(gone.poll());
    {
        auto rx = tx.subscribe();
        EXPECT_EQ(tx.send("one"), 1u);
        EXPECT_EQ(rx.try_recv(), "one");
        EXPECT_EQ(rx.try_recv().error(), empty);
    }
    EXPECT_FALSE(tx.send("lost").has_value());
    auto last = tx.subscribe();
    drop(std::move(tx));
    EXPECT_EQ(last.try_recv().error(), closed);
    EXPECT_THROW(drop(broadcast<int>::sender(0)), eddy::misuse);
}

// covers: P082
TEST(SyncBroadcast, SendWakesAllWaitingReceivers) {
    auto [tx, rx] = broadcast<int>::channel(16);
    auto other = tx.subscribe();
    by_hand first(rx.recv());
    by_hand second(other.recv());
    assert_pending(first.poll());
    assert_pending(first.poll());
    assert_pending(second.poll());
    EXPECT_EQ(tx.send(1), 2u);
    EXPECT_EQ(first.wakes(), 1u);
    EXPECT_EQ(second.wakes(), 1u);
    EXPECT_EQ(first.wakers() + second.wakers(), 0u);
    EXPECT_EQ(assert_ready(first.poll()), 1);
    EXPECT_EQ(tx.send(2), 2u);
    EXPECT_EQ(second.wakes(), 1u);
    EXPECT_EQ(assert_ready(second.poll()), 1);
    EXPECT_EQ(assert_ready(second.poll()), 2);  // may be polled again for the next value
    assert_pending(second.poll());
}

// covers: P082
TEST(SyncBroadcast, SubscriberReceivesOnlyLaterValues) {
    auto [tx, rx] = broadcast<int>::channel(4);
    static_cast<void>(tx.send(1));
    auto late = tx.subscribe();
    auto again = rx.resubscribe();
    EXPECT_EQ(tx.receiver_count(), 3u);
    static_cast<void>(tx.send(2));
    EXPECT_EQ(late.try_recv(), 2);
    EXPECT_EQ(again.try_recv(), 2);
    EXPECT_EQ(rx.try_recv(), 1);
}

// covers: P082
TEST(SyncBroadcast, SendWithoutReceiversReturnsTheValue) {
    auto [tx, rx] = broadcast<std::string>::channel(2);
    drop(std::move(rx));
    EXPECT_EQ(tx.send("one").error(), "one");
    auto again = tx.subscribe();
    EXPECT_EQ(tx.send("two"), 1u);
    EXPECT_EQ(again.try_recv(), "two");
}

// covers: P082
TEST(SyncBroadcast, CapacityIsRoundedUpToAPowerOfTwo) {
    EXPECT_THROW(static_cast<void>(broadcast<int>::channel(0)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(broadcast<int>::channel((std::size_t{1} << 31) + 1)), eddy::misuse);
    auto [tx, rx] = broadcast<int>::channel(3);
    for (int i = 0; i < 4; ++i) static_cast<void>(tx.send(i));
    EXPECT_EQ(rx.try_recv(), 0);  // 4 values are kept
}

// covers: R075
TEST(SyncBroadcast, LagCountsMissedValuesAndResumesAtTheOldest) {
    auto [tx, rx] = broadcast<int>::channel(2);
    for (int i = 1; i <= 5; ++i) static_cast<void>(tx.send(i));
    EXPECT_EQ(rx.len(), 5u);
    EXPECT_EQ(rx.try_recv().error(), lagged(3));
    EXPECT_EQ(rx.len(), 2u);
    EXPECT_EQ(rx.try_recv(), 4);
    EXPECT_EQ(rx.try_recv(), 5);
    EXPECT_EQ(rx.try_recv().error(), empty);
    for (int i = 6; i <= 9; ++i) static_cast<void>(tx.send(i));
    EXPECT_EQ(rx.try_recv().error(), lagged(2));
    static_cast<void>(tx.send(10));  // the receiver lags again before it has received a value
    EXPECT_EQ(rx.try_recv().error(), lagged(1));
    by_hand recv(rx.recv());
    EXPECT_EQ(assert_ready(recv.poll()), 9);
}

// covers: R075
TEST(SyncBroadcast, SlowReceiverLagsWhileFastOneDoesNot) {
    auto [tx, rx] = broadcast<int>::channel(2);
    auto fast = tx.subscribe();
    for (int i = 1; i <= 3; ++i) {
        static_cast<void>(tx.send(i));
        EXPECT_EQ(fast.try_recv(), i);
    }
    by_hand slow(rx.recv());
    EXPECT_EQ(assert_ready(slow.poll()).error(), lagged(1));
    EXPECT_EQ(assert_ready(slow.poll()), 2);
}

// covers: R075
TEST(SyncBroadcast, CapacityOneReceiverLagsAtTheSecondValue) {
    auto [tx, rx] = broadcast<int>::channel(1);
    static_cast<void>(tx.send(1));
    EXPECT_EQ(rx.try_recv(), 1);
    static_cast<void>(tx.send(2));
    static_cast<void>(tx.send(3));
    EXPECT_EQ(rx.try_recv().error(), lagged(1));
    EXPECT_EQ(rx.try_recv(), 3);
}

// covers: P082
TEST(SyncBroadcast, BufferedValuesAreReceivedBeforeClosed) {
    auto [tx, rx] = broadcast<int>::channel(2);
    for (int i = 1; i <= 3; ++i) static_cast<void>(tx.send(i));
    EXPECT_FALSE(rx.is_closed());
    drop(std::move(tx));
    EXPECT_TRUE(rx.is_closed());
    EXPECT_EQ(rx.try_recv().error(), lagged(1));
    EXPECT_EQ(rx.try_recv(), 2);
    EXPECT_EQ(rx.blocking_recv(), 3);
    EXPECT_EQ(rx.try_recv().error(), closed);
    by_hand recv(rx.recv());
    EXPECT_EQ(assert_ready(recv.poll()).error(), closed);
}

// covers: P082
TEST(SyncBroadcast, DropOfTheLastSenderWakesReceivers) {
    auto [tx, rx] = broadcast<int>::channel(2);
    std::optional copy(tx);
    EXPECT_EQ(rx.sender_count(), 2u);
    by_hand recv(rx.recv());
    assert_pending(recv.poll());
    copy.reset();
    EXPECT_FALSE(recv.is_woken());
    drop(std::move(tx));
    EXPECT_TRUE(recv.is_woken());
    EXPECT_EQ(recv.wakers(), 0u);
    EXPECT_EQ(assert_ready(recv.poll()).error(), closed);
}

// covers: R074
TEST(SyncBroadcast, ReceiverCreatedAfterCloseIsClosed) {
    auto [tx, rx] = broadcast<int>::channel(2);
    static_cast<void>(tx.send(1));
    drop(std::move(tx));
    auto again = rx.resubscribe();
    EXPECT_EQ(again.try_recv().error(), closed);
    by_hand recv(again.recv());
    EXPECT_EQ(assert_ready(recv.poll()).error(), closed);
    EXPECT_EQ(rx.try_recv(), 1);
}

// covers: P082
TEST(SyncBroadcast, WeakSenderDoesNotKeepTheChannelOpen) {
    auto [tx, rx] = broadcast<int>::channel(2);
    const auto weak = tx.downgrade();
    auto copy = weak;
    {
        const auto strong = weak.upgrade();
        ASSERT_TRUE(strong.has_value());
        EXPECT_TRUE(strong->same_channel(tx));
        EXPECT_EQ(tx.sender_count(), 2u);
        static_cast<void>(strong->send(1));
    }
    drop(std::move(tx));
    EXPECT_FALSE(copy.upgrade().has_value());
    EXPECT_EQ(rx.try_recv(), 1);
    EXPECT_EQ(rx.try_recv().error(), closed);
    drop(std::move(rx));
    EXPECT_FALSE(weak.upgrade().has_value());  // also after the last reference has been dropped
}

// covers: P082
TEST(SyncBroadcast, ClosedCompletesWhenTheLastReceiverIsDropped) {
    auto [tx, rx] = broadcast<int>::channel(2);
    by_hand waits(tx.closed());
    assert_pending(waits.poll());
    drop(std::move(rx));
    EXPECT_TRUE(waits.is_woken());
    auto again = tx.subscribe();
    assert_pending(waits.poll());
    drop(std::move(again));
    EXPECT_TRUE(waits.is_woken());
    assert_ready(waits.poll());
    EXPECT_EQ(waits.wakers(), 0u);
}

// covers: P082
TEST(SyncBroadcast, DroppedRecvLosesNoValue) {
    auto [tx, rx] = broadcast<int>::channel(2);
    by_hand recv(rx.recv());
    assert_pending(recv.poll());
    EXPECT_EQ(recv.wakers(), 1u);
    static_cast<void>(tx.send(1));
    recv.drop();
    EXPECT_EQ(rx.try_recv(), 1);
    by_hand leaves(rx.recv());
    assert_pending(leaves.poll());
    leaves.drop();
    EXPECT_EQ(leaves.wakers(), 0u);
    static_cast<void>(tx.send(2));
    EXPECT_EQ(leaves.wakes(), 0u);
}

// covers: P082
TEST(SyncBroadcast, ValueIsFreedAfterItsLastReceiver) {
    auto value = std::make_shared<int>(1);
    auto [tx, rx] = broadcast<std::shared_ptr<int>>::channel(2);
    auto second = tx.subscribe();
    static_cast<void>(tx.send(value));
    EXPECT_EQ(value.use_count(), 2);
    EXPECT_EQ(rx.try_recv(), value);
    EXPECT_EQ(value.use_count(), 2);
    {
        const auto last = second.try_recv();
        EXPECT_EQ(value.use_count(), 2);  // the last receiver gets the value itself, without a copy
    }
    EXPECT_EQ(value.use_count(), 1);

    static_cast<void>(tx.send(value));
    drop(std::move(second));
    EXPECT_EQ(value.use_count(), 2);
    drop(std::move(rx));  // drops the values that it has not received
    EXPECT_EQ(value.use_count(), 1);
}

// covers: P082
TEST(SyncBroadcast, OverwrittenValueIsFreedImmediately) {
    auto value = std::make_shared<int>(1);
    auto [tx, rx] = broadcast<std::shared_ptr<int>>::channel(1);
    static_cast<void>(tx.send(value));
    static_cast<void>(tx.send(nullptr));
    EXPECT_EQ(value.use_count(), 1);
    EXPECT_EQ(rx.try_recv().error(), lagged(1));
    EXPECT_EQ(rx.try_recv(), nullptr);
}

// covers: P082
TEST(SyncBroadcast, LenCountsValuesNotYetReceivedByAll) {
    auto [tx, rx] = broadcast<int>::channel(4);
    EXPECT_TRUE(tx.is_empty() && rx.is_empty());
    static_cast<void>(tx.send(1));
    auto second = tx.subscribe();
    static_cast<void>(tx.send(2));
    static_cast<void>(tx.send(3));
    EXPECT_EQ(tx.len(), 3u);
    EXPECT_EQ(second.len(), 2u);
    static_cast<void>(second.try_recv());
    EXPECT_EQ(tx.len(), 3u);
    static_cast<void>(rx.try_recv());
    static_cast<void>(rx.try_recv());
    EXPECT_EQ(tx.len(), 1u);
    for (int i = 0; i < 9; ++i) static_cast<void>(tx.send(i));
    EXPECT_EQ(tx.len(), 4u);
    drop(std::move(rx));
    drop(std::move(second));
    EXPECT_TRUE(tx.is_empty());
}

struct throws_when_copied {
    explicit throws_when_copied(int given) : value(given) {}
    throws_when_copied(const throws_when_copied& other) : value(other.value) {
        if (value == 2) throw std::runtime_error("no copy");
    }
    throws_when_copied(throws_when_copied&& other) noexcept(false) : value(other.value) {}
    int value;
};

// covers: P082
TEST(SyncBroadcast, ThrowingCopyLosesOnlyThatValue) {
    auto [tx, rx] = broadcast<throws_when_copied>::channel(4);
    auto second = tx.subscribe();
    for (int i = 1; i <= 3; ++i) static_cast<void>(tx.send(throws_when_copied(i)));
    EXPECT_EQ(rx.try_recv()->value, 1);
    EXPECT_THROW(static_cast<void>(rx.try_recv()), std::runtime_error);
    by_hand recv(rx.recv());
    EXPECT_EQ(assert_ready(recv.poll())->value, 3);
    EXPECT_EQ(second.len(), 3u);
}

struct copies_by_sending {
    const broadcast<copies_by_sending>::sender* tx = nullptr;
    copies_by_sending() = default;
    explicit copies_by_sending(const broadcast<copies_by_sending>::sender& with) : tx(&with) {}
    copies_by_sending(const copies_by_sending& other) {
        if (other.tx != nullptr) static_cast<void>(other.tx->send(copies_by_sending()));
    }
    copies_by_sending(copies_by_sending&& other) noexcept : tx(other.tx) {}
    copies_by_sending& operator=(copies_by_sending&&) = delete;
    ~copies_by_sending() = default;
};

// covers: R068
TEST(SyncBroadcast, CopyConstructorMayUseTheChannel) {
    auto [tx, rx] = broadcast<copies_by_sending>::channel(1);
    auto second = tx.subscribe();
    static_cast<void>(tx.send(copies_by_sending(tx)));
    EXPECT_TRUE(rx.try_recv().has_value());  // the copy constructor overwrites the value that it copies
    EXPECT_EQ(second.try_recv().error(), lagged(1));
    EXPECT_EQ(rx.len(), 1u);
}

// covers: P082
TEST(SyncBroadcast, MovedFromEndThrowsAndCanBeReassigned) {
    auto [tx, rx] = broadcast<int>::channel(2);
    auto other = std::move(tx);
    auto takes = std::move(rx);
    EXPECT_THROW(static_cast<void>(tx.send(1)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(rx.try_recv()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(rx.recv()), eddy::misuse);
    tx = other;
    rx = std::move(takes);
    EXPECT_EQ(tx.send(5), 1u);
    EXPECT_EQ(rx.try_recv(), 5);
}

// covers: P082
TEST(SyncBroadcast, MisuseOfAMovedFromEndNamesTheCallSite) {
    auto [tx, rx] = broadcast<int>::channel(2);
    auto other = std::move(tx);
    auto takes = std::move(rx);
    auto& sender = tx;
    auto& receiver = rx;
    expect_misuse_here([&] { static_cast<void>(sender.send(1)); });
    expect_misuse_here([&] { static_cast<void>(sender.subscribe()); });
    expect_misuse_here([&] { static_cast<void>(sender.downgrade()); });
    expect_misuse_here([&] { static_cast<void>(sender.closed()); });
    expect_misuse_here([&] { static_cast<void>(receiver.recv()); });
    expect_misuse_here([&] { static_cast<void>(receiver.try_recv()); });
    expect_misuse_here([&] { static_cast<void>(receiver.blocking_recv()); });
    expect_misuse_here([&] { static_cast<void>(receiver.resubscribe()); });
    expect_misuse_here([&] { eddy::sync::broadcast_stream<int> stream(std::move(receiver)); });
}

// covers: P082
TEST(SyncBroadcast, PollChargesCoopBudgetOnlyWhenReady) {
    auto [tx, rx] = broadcast<int>::channel(2);
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    by_hand recv(rx.recv());
    assert_pending(recv.future().poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
    static_cast<void>(tx.send(1));
    assert_pending(recv.poll(0));
    EXPECT_TRUE(recv.is_woken());
    EXPECT_EQ(assert_ready(recv.poll(1)), 1);
}

// covers: R069
TEST(SyncBroadcast, WakerOfTheLastPollIsWoken) {
    auto [tx, rx] = broadcast<int>::channel(2);
    auto recv = rx.recv();
    eddy::test::wake_counter former;
    eddy::test::wake_counter latter;
    const auto a = former.waker();
    const auto b = latter.waker();
    eddy::context with_a(a);
    eddy::context with_b(b);
    assert_pending(recv.poll(with_a));
    assert_pending(recv.poll(with_b));
    EXPECT_EQ(former.wakers(), 1u);
    static_cast<void>(tx.send(1));
    EXPECT_EQ(former.wakes(), 0u);
    EXPECT_EQ(latter.wakes(), 1u);
}

// covers: R068
TEST(SyncBroadcast, WakerCallbacksMayUseTheChannel) {
    auto ends = broadcast<int>::channel(2);
    auto& tx = ends.sender;
    auto& rx = ends.receiver;
    support::reentrant_waker reentrant([&] {
        auto inner = tx.subscribe();
        static_cast<void>(tx.send(7));
        by_hand recv(inner.recv());
        static_cast<void>(recv.poll());
        static_cast<void>(recv.poll());
    });
    const auto waker = reentrant.waker();
    const auto noop = eddy::waker::noop();
    eddy::context cx(waker);
    eddy::context with_other(noop);
    for (int i = 0; i < 5; ++i) {
        auto second = tx.subscribe();
        auto recv = rx.recv();
        while (recv.poll(cx).is_ready()) {
        }
        auto other = second.recv();
        static_cast<void>(other.poll(cx));
        static_cast<void>(other.poll(with_other));
        static_cast<void>(tx.send(i));
    }
    EXPECT_GT(reentrant.calls(), 5);
}

// covers: P082
TEST(SyncBroadcast, ReceiversMayLeaveDuringBatchedWakes) {
    auto [tx, rx] = broadcast<int>::channel(2);
    constexpr std::size_t count = 100;
    using hand = by_hand<broadcast<int>::recv_future>;
    std::vector<broadcast<int>::receiver> ends;
    for (std::size_t i = 0; i < count; ++i) ends.push_back(tx.subscribe());
    std::vector<std::unique_ptr<hand>> all;
    int calls = 0;
    support::reentrant_waker reentrant([&] {
        if (++calls != 2) return;  // the first call is the clone
        all[50]->drop();
        EXPECT_EQ(assert_ready(all[60]->poll()), 1);
        assert_pending(all[60]->poll());  // waits again, and is not woken by this send
    });
    auto first = rx.recv();
    const auto waker = reentrant.waker();
    eddy::context cx(waker);
    assert_pending(first.poll(cx));
    for (auto& end : ends) {
        all.push_back(std::make_unique<hand>(end.recv()));
        assert_pending(all.back()->poll());
    }
    EXPECT_EQ(tx.send(1), count + 1);
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(all[i]->wakes(), i == 50 || i == 60 ? 0u : 1u) << i;
        if (i == 50 || i == 60) continue;
        EXPECT_EQ(assert_ready(all[i]->poll()), 1);
    }
    EXPECT_EQ(tx.send(2), count + 1);
    EXPECT_TRUE(all[60]->is_woken());
}

TEST(SyncBroadcast, FirstWokenTaskMayDestroyAllReceivers) {
    auto [tx, rx] = broadcast<int>::channel(4);
    std::vector<broadcast<int>::receiver> receivers;
    std::vector<std::unique_ptr<broadcast<int>::recv_future>> futures;
    receivers.reserve(support::more_than_a_batch);
    support::calling_waker waker([&] {
        std::exchange(futures, {}).clear();
        std::exchange(receivers, {}).clear();
    });
    for (std::size_t i = 0; i < support::more_than_a_batch; ++i) {
        receivers.push_back(tx.subscribe());
        futures.push_back(std::make_unique<broadcast<int>::recv_future>(receivers.back().recv()));
        assert_pending(support::poll_with(*futures.back(), waker.waker()));
    }
    EXPECT_EQ(tx.send(1), support::more_than_a_batch + 1);
    EXPECT_EQ(tx.receiver_count(), 1u);
    EXPECT_EQ(rx.try_recv(), 1);
    EXPECT_TRUE(tx.is_empty());
}

// covers: P082
TEST(SyncBroadcastDeathTest, MoveOfAPolledRecvTerminates) {
    EXPECT_DEATH(
        {
            auto ends = broadcast<int>::channel(2);
            by_hand recv(ends.receiver.recv());
            static_cast<void>(recv.poll());
            auto moved = std::move(recv.future());
        },
        "moved after its first poll");
}

// covers: P082 P097
TEST(SyncBroadcast, StreamGivesValuesAndLagErrors) {
    auto [tx, rx] = broadcast<int>::channel(2);
    broadcast_stream<int> items(std::move(rx));
    {
        by_hand next(items.next());
        assert_pending(next.poll());
        static_cast<void>(tx.send(1));
        EXPECT_TRUE(next.is_woken());
        EXPECT_EQ(assert_ready(next.poll()).value(), 1);
    }
    for (int i = 2; i <= 5; ++i) static_cast<void>(tx.send(i));
    drop(std::move(tx));
    auto moved = std::move(items);
    EXPECT_EQ(eddy::wait(moved.next()).value().error(), lagged(2));
    EXPECT_EQ(eddy::wait(moved.next()).value(), 4);
    EXPECT_EQ(eddy::wait(moved.next()).value(), 5);
    EXPECT_FALSE(eddy::wait(moved.next()).has_value());
}

// covers: P082
TEST(SyncBroadcast, TryConvertsErrorsToErrorCodes) {
    auto receive = [](broadcast<int>::receiver& rx) -> eddy::task<eddy::result<int>> {
        const int value = co_await eddy::try_(rx.recv());
        co_return value;
    };
    auto [tx, rx] = broadcast<int>::channel(1);
    static_cast<void>(tx.send(1));
    static_cast<void>(tx.send(2));
    EXPECT_EQ(eddy::wait(receive(rx)).error(), eddy::errc::receiver_lagged);
    EXPECT_EQ(eddy::wait(receive(rx)), 2);
    drop(std::move(tx));
    EXPECT_EQ(eddy::wait(receive(rx)).error(), eddy::errc::channel_closed);
    EXPECT_EQ(empty.to_error_code(), std::errc::resource_unavailable_try_again);
    EXPECT_NE(std::error_code(eddy::errc::receiver_lagged).message(), "unknown eddy error");
}

TEST(SyncBroadcast, StreamWakesItsReaderAfterAMove) {
    const auto stream_of = [](broadcast<int>::sender& tx) {
        broadcast_stream<int> items(tx.subscribe());
        static_cast<void>(tx.send(1));
        return items;
    };
    auto ends = broadcast<int>::channel(8);
    auto& tx = ends.sender;
    const auto send = [&] { static_cast<void>(tx.send(2)); };
    EXPECT_TRUE(continues_after_a_move(stream_of(tx).ready_chunks(4), send));
    const auto run = [](auto item) { return eddy::ready(item.value()); };
    EXPECT_TRUE(continues_after_a_move(stream_of(tx).map(run).buffer_unordered(4), send));
    EXPECT_TRUE(continues_after_a_move(stream_of(tx).map(run).buffered(4), send));
}

}  // namespace
