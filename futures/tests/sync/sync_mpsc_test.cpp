// SPDX-License-Identifier: MIT
#include <eddy/sync/mpsc.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/future/select.hpp>
#include <eddy/future/try.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/advance.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/futures/channel_ends.hpp"
#include "support/futures/reentrant_waker.hpp"
#include "support/polling.hpp"

namespace {

using eddy::sync::mpsc;
using eddy::sync::try_recv_error;
using eddy::sync::try_send_reason;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::drop;
using support::receive;

// covers: P079
TEST(SyncMpsc, ValuesArriveInSendOrder) {
    auto [tx, rx] = mpsc<std::unique_ptr<int>>::channel(16);
    for (int i = 0; i < 16; ++i) {
        by_hand sends(tx.send(std::make_unique<int>(i)));
        EXPECT_TRUE(assert_ready(sends.poll()).has_value());
        EXPECT_THROW(static_cast<void>(sends.poll()), eddy::misuse);
    }
    for (int i = 0; i < 16; ++i) EXPECT_EQ(**receive(rx), i);
    by_hand waits(rx.recv());
    assert_pending(waits.poll());
}

// covers: P079
TEST(SyncMpsc, SendWakesTheReceiverOnce) {
    auto [tx, rx] = mpsc<int>::channel(4);
    by_hand waits(rx.recv());
    assert_pending(waits.poll());
    assert_pending(waits.poll());
    EXPECT_EQ(waits.wakers(), 1u);
    EXPECT_TRUE(tx.try_send(1).has_value());
    EXPECT_TRUE(tx.try_send(2).has_value());
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(waits.wakers(), 0u);
    EXPECT_EQ(assert_ready(waits.poll()), 1);
    EXPECT_EQ(receive(rx), 2);
}

// covers: P079
TEST(SyncMpsc, FullChannelServesWaitingSendersInOrder) {
    auto [tx, rx] = mpsc<int>::channel(1);
    by_hand first(tx.send(1));
    by_hand second(tx.send(2));
    by_hand third(tx.send(3));
    EXPECT_TRUE(assert_ready(first.poll()).has_value());
    assert_pending(second.poll());
    assert_pending(third.poll());
    EXPECT_EQ(receive(rx), 1);
    EXPECT_TRUE(second.wakes() == 1 && third.wakes() == 0);
    EXPECT_TRUE(tx.try_send(4).error().is_full());  // the capacity belongs to the second sender
    EXPECT_TRUE(assert_ready(second.poll()).has_value());
    EXPECT_EQ(receive(rx), 2);
    EXPECT_TRUE(third.is_woken());
    EXPECT_TRUE(assert_ready(third.poll()).has_value());
    EXPECT_EQ(receive(rx), 3);
}

// covers: P079
TEST(SyncMpsc, DroppedSendSendsNothingAndForwardsItsCapacity) {
    auto [tx, rx] = mpsc<int>::channel(1);
    EXPECT_TRUE(tx.try_send(1).has_value());
    by_hand dropped(tx.send(2));
    by_hand next(tx.send(3));
    assert_pending(dropped.poll());
    assert_pending(next.poll());
    EXPECT_EQ(receive(rx), 1);
    ASSERT_TRUE(dropped.is_woken());
    dropped.drop();
    EXPECT_TRUE(next.is_woken());
    EXPECT_TRUE(assert_ready(next.poll()).has_value());
    EXPECT_EQ(receive(rx), 3);
}

// covers: P079
TEST(SyncMpsc, TrySendReturnsTheValueIfFullOrClosed) {
    auto [tx, rx] = mpsc<std::unique_ptr<int>>::channel(1);
    EXPECT_TRUE(tx.try_send(nullptr).has_value());
    auto full = tx.try_send(std::make_unique<int>(5));
    ASSERT_FALSE(full.has_value());
    EXPECT_TRUE(full.error().is_full());
    EXPECT_EQ(*full.error().value, 5);
    rx.close();
    auto closed = tx.try_send(std::make_unique<int>(6));
    EXPECT_TRUE(closed.error().is_closed());
    EXPECT_EQ(*closed.error().value, 6);
}

// covers: P079 R080
TEST(SyncMpsc, SendReturnsTheValueWhenTheReceiverIsDropped) {
    auto [tx, rx] = mpsc<std::unique_ptr<int>>::channel(1);
    EXPECT_TRUE(tx.try_send(nullptr).has_value());
    by_hand waits(tx.send(std::make_unique<int>(5)));
    assert_pending(waits.poll());
    drop(std::move(rx));
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(*assert_ready(waits.poll()).error().value, 5);
    by_hand late(tx.send(std::make_unique<int>(6)));
    auto answer = assert_ready(late.poll());
    EXPECT_EQ(*answer.error().value, 6);
    EXPECT_EQ(answer.error().to_error_code(), eddy::errc::channel_closed);
    EXPECT_TRUE(tx.is_closed());
}

// covers: P079
TEST(SyncMpsc, RecvDrainsThenEndsAfterTheLastSender) {
    auto [tx, rx] = mpsc<int>::channel(4);
    auto other = tx;
    EXPECT_TRUE(tx.same_channel(other));
    EXPECT_EQ(rx.sender_strong_count(), 2u);
    EXPECT_TRUE(tx.try_send(1).has_value());
    drop(std::move(tx));
    EXPECT_FALSE(rx.is_closed());
    EXPECT_TRUE(other.try_send(2).has_value());
    drop(std::move(other));
    EXPECT_TRUE(rx.is_closed());
    EXPECT_EQ(receive(rx), 1);
    EXPECT_EQ(rx.try_recv(), 2);
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
    EXPECT_EQ(receive(rx), std::nullopt);
    EXPECT_EQ(receive(rx), std::nullopt);  // the channel stays ended
}

// covers: P079
TEST(SyncMpsc, DropOfTheLastSenderWakesTheReceiver) {
    auto [tx, rx] = mpsc<int>::channel(4);
    by_hand waits(rx.recv());
    assert_pending(waits.poll());
    drop(std::move(tx));
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(waits.wakers(), 0u);
    EXPECT_EQ(assert_ready(waits.poll()), std::nullopt);
}

// covers: P079
TEST(SyncMpsc, CloseRefusesSendsAndKeepsSentValues) {
    auto [tx, rx] = mpsc<int>::channel(4);
    EXPECT_TRUE(tx.try_send(1).has_value());
    EXPECT_FALSE(tx.is_closed());
    rx.close();
    rx.close();
    EXPECT_TRUE(tx.is_closed());
    EXPECT_TRUE(tx.try_send(2).error().is_closed());
    EXPECT_EQ(receive(rx), 1);
    EXPECT_EQ(receive(rx), std::nullopt);
}

// covers: P079
TEST(SyncMpsc, RecvAfterCloseWaitsForOutstandingPermits) {
    auto [tx, rx] = mpsc<int>::channel(4);
    auto permit = tx.try_reserve();
    auto unused = tx.try_reserve();
    rx.close();
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
    by_hand waits(rx.recv());
    assert_pending(waits.poll());
    permit->send(7);
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(assert_ready(waits.poll()), 7);
    by_hand last(rx.recv());
    assert_pending(last.poll());
    drop(std::move(*unused));
    EXPECT_EQ(last.wakes(), 1u);
    EXPECT_EQ(assert_ready(last.poll()), std::nullopt);
}

// covers: R071
TEST(SyncMpsc, FailedReservationAfterCloseEndsTheReceiver) {
    auto [tx, rx] = mpsc<int>::channel(2);
    auto held = tx.try_reserve();
    by_hand waits(tx.reserve_many(2));
    assert_pending(waits.poll());
    rx.close();
    by_hand receives(rx.recv());
    assert_pending(receives.poll());
    drop(std::move(*held));
    EXPECT_TRUE(receives.is_woken());
    EXPECT_FALSE(assert_ready(waits.poll()).has_value());
    EXPECT_EQ(assert_ready(receives.poll()), std::nullopt);
}

// covers: R071
TEST(SyncMpsc, DroppedGrantedReservationEndsAClosedReceiver) {
    auto [tx, rx] = mpsc<int>::channel(1);
    auto held = tx.try_reserve();
    by_hand waits(tx.reserve());
    assert_pending(waits.poll());
    drop(std::move(*held));
    ASSERT_TRUE(waits.is_woken());
    rx.close();
    by_hand receives(rx.recv());
    assert_pending(receives.poll());
    waits.drop();
    EXPECT_TRUE(receives.is_woken());
    EXPECT_EQ(assert_ready(receives.poll()), std::nullopt);
}

// covers: P079
TEST(SyncMpsc, CloseWakesAPendingRecv) {
    auto [tx, rx] = mpsc<int>::channel(1);
    by_hand receives(rx.recv());
    assert_pending(receives.poll());
    rx.close();
    EXPECT_TRUE(receives.is_woken());
    EXPECT_EQ(assert_ready(receives.poll()), std::nullopt);
}

// covers: P079
TEST(SyncMpsc, PermitSendsOrReturnsItsCapacity) {
    auto [tx, rx] = mpsc<int>::channel(2);
    by_hand reserves(tx.reserve());
    auto first = std::move(*assert_ready(reserves.poll()));
    auto second = tx.try_reserve();
    EXPECT_EQ(tx.capacity(), 0u);
    EXPECT_EQ(tx.try_reserve().error(), try_send_reason::full);
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
    second->send(2);  // values arrive in the order of the send() calls
    first.send(1);
    EXPECT_THROW(first.send(3), eddy::misuse);
    EXPECT_EQ(receive(rx), 2);
    EXPECT_EQ(receive(rx), 1);
    drop(std::move(first));
    EXPECT_EQ(tx.capacity(), 2u);
    drop(std::move(*tx.try_reserve()));
    EXPECT_EQ(tx.capacity(), 2u);
    rx.close();
    EXPECT_EQ(tx.try_reserve().error(), try_send_reason::closed);
}

// covers: P079
TEST(SyncMpsc, ReserveManyGrantsAllPermitsTogether) {
    auto [tx, rx] = mpsc<int>::channel(3);
    EXPECT_TRUE(tx.try_send(0).has_value());
    by_hand reserves(tx.reserve_many(3));
    assert_pending(reserves.poll());
    EXPECT_EQ(tx.try_reserve_many(2).error(), try_send_reason::full);  // the waiting request is first
    EXPECT_EQ(receive(rx), 0);
    auto permits = std::move(*assert_ready(reserves.poll()));
    EXPECT_EQ(permits.size(), 3u);
    permits.send(1);
    permits.next()->send(2);
    EXPECT_EQ(permits.size(), 1u);
    EXPECT_EQ(tx.capacity(), 0u);
    drop(std::move(permits));
    EXPECT_EQ(tx.capacity(), 1u);
    EXPECT_EQ(receive(rx), 1);
    EXPECT_EQ(receive(rx), 2);
    auto two = tx.try_reserve_many(2);
    two->send(3);
    two->send(4);
    EXPECT_THROW(two->send(5), eddy::misuse);
    EXPECT_FALSE(two->next().has_value());
    EXPECT_THROW(static_cast<void>(tx.reserve_many(4)), eddy::misuse);
}

// covers: R063
TEST(SyncMpsc, DroppedReservationForwardsItsCapacity) {
    auto [tx, rx] = mpsc<int>::channel(1);
    auto held = tx.try_reserve();
    by_hand first(tx.reserve());
    by_hand second(tx.reserve());
    assert_pending(first.poll());
    assert_pending(second.poll());
    drop(std::move(*held));
    ASSERT_TRUE(first.is_woken());
    first.drop();
    EXPECT_TRUE(second.is_woken());
    assert_ready(second.poll())->send(1);
    EXPECT_EQ(receive(rx), 1);
}

// covers: P079
TEST(SyncMpsc, OwnedPermitKeepsTheChannelOpen) {
    auto [tx, rx] = mpsc<int>::channel(2);
    by_hand reserves(std::move(tx).reserve_owned());
    auto permit = std::move(*assert_ready(reserves.poll()));
    reserves.drop();
    EXPECT_EQ(rx.sender_strong_count(), 1u);
    auto back = permit.send(1);
    EXPECT_THROW(static_cast<void>(permit.send(2)), eddy::misuse);
    auto other = back.try_reserve_owned();
    EXPECT_EQ(rx.sender_strong_count(), 2u);
    EXPECT_EQ(rx.capacity(), 0u);
    drop(other->release());
    EXPECT_EQ(rx.capacity(), 1u);
    EXPECT_EQ(rx.sender_strong_count(), 1u);
    {
        by_hand again(back.reserve_owned());
        const auto unused = assert_ready(again.poll());
        drop(std::move(back));
        EXPECT_FALSE(rx.is_closed());
    }
    EXPECT_TRUE(rx.is_closed());
    EXPECT_EQ(receive(rx), 1);
    EXPECT_EQ(receive(rx), std::nullopt);
}

// covers: P079
TEST(SyncMpsc, WeakSenderDoesNotKeepTheChannelOpen) {
    auto [tx, rx] = mpsc<int>::channel(1);
    auto weak = tx.downgrade();
    auto copy = weak;
    EXPECT_TRUE(tx.strong_count() == 1 && tx.weak_count() == 2);
    {
        auto strong = weak.upgrade();
        ASSERT_TRUE(strong.has_value());
        EXPECT_TRUE(strong->try_send(1).has_value());
        EXPECT_EQ(copy.strong_count(), 2u);
    }
    drop(std::move(tx));
    EXPECT_FALSE(weak.upgrade().has_value());
    EXPECT_EQ(receive(rx), 1);
    EXPECT_EQ(receive(rx), std::nullopt);
    drop(std::move(rx));
    EXPECT_FALSE(copy.upgrade().has_value());  // only weak senders are left
    EXPECT_EQ(weak.weak_count(), 2u);
}

// covers: P079 R080
TEST(SyncMpsc, ClosedCompletesWhenTheReceiverIsDropped) {
    auto [tx, rx] = mpsc<int>::channel(1);
    by_hand first(tx.closed());
    by_hand second(tx.closed());
    auto dropped = std::make_unique<by_hand<mpsc<int>::closed_future>>(tx.closed());
    assert_pending(first.poll());
    assert_pending(first.poll());
    assert_pending(second.poll());
    by_hand last(tx.closed());
    assert_pending(dropped->poll());
    assert_pending(last.poll());
    dropped->drop();
    EXPECT_EQ(dropped->wakers(), 0u);
    dropped.reset();
    dropped = std::make_unique<by_hand<mpsc<int>::closed_future>>(tx.closed());
    assert_pending(dropped->poll());  // most likely in the memory of the destroyed future
    drop(std::move(rx));
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 1 && last.wakes() == 1);
    EXPECT_EQ(dropped->wakes(), 1u);
    assert_ready(first.poll());
    assert_ready(second.poll());
    by_hand late(tx.closed());
    assert_ready(late.poll());
}

TEST(SyncMpsc, ClosedSeesAReceiverDroppedWhileTheWakerIsCloned) {
    const auto is_ready_after_drop_in_clone = [](auto ends) {
        std::optional receiver(std::move(ends.receiver));
        support::reentrant_waker drops([&] { receiver.reset(); });
        const auto waker = drops.waker();
        auto closed = ends.sender.closed();
        const bool is_ready = support::poll_with(closed, waker).is_ready();
        EXPECT_GE(drops.calls(), 1) << "closed() has not cloned the waker";
        return is_ready;
    };
    EXPECT_TRUE(is_ready_after_drop_in_clone(mpsc<int>::channel(1)))
        << "pending on a closed channel, and no wake follows";
    EXPECT_TRUE(is_ready_after_drop_in_clone(mpsc<int>::unbounded_channel()))
        << "pending on a closed channel, and no wake follows";
}

// covers: P079
TEST(SyncMpsc, RecvManyTakesAvailableValuesUpToItsLimit) {
    auto [tx, rx] = mpsc<int>::channel(8);
    std::vector<int> all{0};
    {
        by_hand none(rx.recv_many(all, 0));
        EXPECT_EQ(assert_ready(none.poll()), 0u);
    }
    by_hand waits(rx.recv_many(all, 3));
    assert_pending(waits.poll());
    for (int i = 1; i <= 5; ++i) EXPECT_TRUE(tx.try_send(i).has_value());
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(assert_ready(waits.poll()), 3u);
    EXPECT_EQ(tx.capacity(), 6u);
    drop(std::move(tx));
    EXPECT_EQ(rx.blocking_recv_many(all, 100), 2u);
    EXPECT_EQ(all, (std::vector{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(rx.blocking_recv_many(all, 100), 0u);  // also if the vector is not empty
    EXPECT_EQ(all.size(), 6u);
}

// covers: P079
TEST(SyncMpsc, RecvManyWakesAllWaitingSenders) {
    auto [tx, rx] = mpsc<int>::channel(2);
    EXPECT_TRUE(tx.try_send(1).has_value());
    EXPECT_TRUE(tx.try_send(2).has_value());
    by_hand first(tx.send(3));
    by_hand second(tx.send(4));
    assert_pending(first.poll());
    assert_pending(second.poll());
    std::vector<int> all;
    EXPECT_EQ(rx.blocking_recv_many(all, 10), 2u);
    EXPECT_TRUE(first.is_woken() && second.is_woken());
}

// covers: R072
TEST(SyncMpsc, LenIsExactAtBufferBoundaries) {
    for (const std::size_t count : {0u, 1u, 31u, 32u, 33u, 64u}) {
        auto [tx, rx] = mpsc<std::size_t>::channel(64);
        auto [utx, urx] = mpsc<std::size_t>::unbounded_channel();
        for (int round = 0; round < 3; ++round) {
            for (std::size_t i = 0; i < count; ++i) {
                EXPECT_TRUE(tx.try_send(i).has_value());
                EXPECT_TRUE(utx.send(i).has_value());
                EXPECT_EQ(rx.len(), i + 1);
                EXPECT_EQ(urx.len(), i + 1);
            }
            EXPECT_EQ(rx.is_empty(), count == 0);
            EXPECT_EQ(urx.is_empty(), count == 0);
            EXPECT_EQ(rx.capacity(), 64 - count);
            if (round == 2) {
                rx.close();
                drop(std::move(utx));
            }
            for (std::size_t i = 0; i < count; ++i) {
                EXPECT_EQ(rx.len(), count - i);
                EXPECT_EQ(urx.len(), count - i);
                EXPECT_EQ(rx.try_recv(), i);
                EXPECT_EQ(urx.try_recv(), i);
            }
            EXPECT_TRUE(rx.is_empty() && urx.is_empty());
            EXPECT_TRUE(rx.len() == 0 && urx.len() == 0);
        }
        EXPECT_TRUE(rx.is_closed() && urx.is_closed());
        EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed);
        EXPECT_EQ(urx.try_recv().error(), try_recv_error::closed);
    }
}

// covers: P079
TEST(SyncMpsc, CapacityNeedNotBeAPowerOfTwo) {
    auto [tx, rx] = mpsc<int>::channel(5);
    EXPECT_EQ(rx.max_capacity(), 5u);
    EXPECT_EQ(tx.max_capacity(), 5u);
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 5; ++i) EXPECT_TRUE(tx.try_send(round * 5 + i).has_value());
        EXPECT_TRUE(tx.try_send(0).error().is_full());
        for (int i = 0; i < 5; ++i) EXPECT_EQ(rx.try_recv(), round * 5 + i);
    }
    EXPECT_THROW(static_cast<void>(mpsc<int>::channel(0)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(mpsc<int>::channel(mpsc<int>::max_capacity + 1)), eddy::misuse);
}

/// The state of a channel that has carried 2^31 - 1 values.
struct late_state : eddy::detail::bounded_state {
    late_state() : bounded_state(2) { word_.fetch_or(~word{0} << extra_shift); }
};

// covers: P079
TEST(SyncMpsc, ValueCounterWrapsAround) {
    using eddy::detail::acquired;
    using eddy::detail::nothing;
    late_state state;
    const std::size_t last = (std::size_t{1} << 31) - 1;
    eddy::detail::bounded_state::claim mine;
    EXPECT_EQ(state.look(last), nothing::waits);
    EXPECT_EQ(state.try_claim(mine), acquired::yes);
    EXPECT_EQ(mine.place, last);
    EXPECT_EQ(state.available(), 1u);
    EXPECT_EQ(state.claimed_after(last), 1u);
    EXPECT_EQ(state.look(0), nothing::waits);
    EXPECT_EQ(state.wait(0, eddy::waker::noop()), nothing::waits);
    EXPECT_EQ(state.try_acquire(1), acquired::yes);
    state.use_permit(mine);
    EXPECT_TRUE(mine.place == 0 && mine.is_to_wake);
    EXPECT_EQ(state.claimed_after(last), 2u);
    EXPECT_EQ(state.try_claim(mine), acquired::not_yet);
    EXPECT_FALSE(state.is_closed());
    EXPECT_TRUE(state.release(2));
    EXPECT_EQ(state.available(), 2u);
    state.end_senders();
    EXPECT_EQ(state.look(1), nothing::ended);
}

// covers: P079
TEST(SyncMpsc, PollChargesCoopBudgetOnlyWhenReady) {
    auto [tx, rx] = mpsc<int>::channel(1);
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    assert_pending(rx.poll_recv(cx));
    EXPECT_EQ(cx.budget(), 1u);
    by_hand sends(tx.send(1));
    assert_pending(sends.poll(0));
    EXPECT_TRUE(sends.is_woken());
    EXPECT_TRUE(assert_ready(sends.poll(1)).has_value());
    by_hand waits(tx.send(2));
    auto full = tx.send(2);
    assert_pending(full.poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
    by_hand receives(rx.recv());
    assert_pending(receives.poll(0));
    EXPECT_TRUE(receives.is_woken());
    EXPECT_EQ(assert_ready(receives.poll(1)), 1);
}

// covers: P079
TEST(SyncMpsc, RecvThatLosesASelectLosesNoValue) {
    auto [tx, rx] = mpsc<int>::channel(4);
    auto [go, gone] = eddy::sync::oneshot<>::channel();
    {
        by_hand either(eddy::select(rx.recv(), std::move(gone)));
        assert_pending(either.poll());
        static_cast<void>(go.send());
        EXPECT_EQ(assert_ready(either.poll()).index(), 1u);
    }
    EXPECT_TRUE(tx.try_send(1).has_value());
    EXPECT_EQ(receive(rx), 1);
}

// covers: P079
TEST(SyncMpsc, SendTimeoutReturnsTheValue) {
    using namespace std::chrono_literals;
    auto core = eddy::core::builder().start_paused(true).build();
    auto work = []() -> eddy::task<void> {
        auto [tx, rx] = mpsc<std::unique_ptr<int>>::channel(1);
        EXPECT_TRUE((co_await tx.send_timeout(std::make_unique<int>(1), 10ms)).has_value());
        auto late = co_await tx.send_timeout(std::make_unique<int>(2), 10ms);
        EXPECT_TRUE(late.error().is_elapsed());
        EXPECT_EQ(*late.error().value, 2);
        EXPECT_EQ(late.error().to_error_code(), eddy::errc::timed_out);
        EXPECT_EQ(**rx.try_recv(), 1);
        EXPECT_TRUE(rx.is_empty());
        EXPECT_EQ(tx.capacity(), 1u);  // the send has left the queue
        rx.close();
        auto closed = co_await tx.send_timeout(std::make_unique<int>(3), 10ms);
        EXPECT_TRUE(closed.error().is_closed);
        EXPECT_EQ(*closed.error().value, 3);
    };
    core->run(work());
}

// covers: P079
TEST(SyncMpsc, MovedFromEndsThrowMisuse) {
    auto [tx, rx] = mpsc<int>::channel(1);
    auto sender = std::move(tx);
    auto receiver = std::move(rx);
    // NOLINTBEGIN(bugprone-use-after-move): moved-from ends are tested
    EXPECT_THROW(static_cast<void>(tx.send(1)), eddy::misuse);
    const auto text = support::text_of_misuse([&] { static_cast<void>(tx.try_send(1)); });
    EXPECT_TRUE(text.starts_with("try_send() on a sender that was moved from")) << text;
    EXPECT_THROW(static_cast<void>(tx.reserve()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(rx.try_recv()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(receive(rx)), eddy::misuse);
    EXPECT_TRUE(tx.is_closed() && rx.is_closed());
    EXPECT_TRUE(tx.capacity() == 0 && rx.len() == 0);
    rx.close();
    // NOLINTEND(bugprone-use-after-move)
    sender = mpsc<int>::channel(1).sender;
    EXPECT_EQ(receive(receiver), std::nullopt);
}

// ---- Unbounded ----

// covers: P080
TEST(SyncMpsc, UnboundedSendNeverWaits) {
    auto [tx, rx] = mpsc<std::unique_ptr<int>>::unbounded_channel();
    by_hand waits(rx.recv());
    assert_pending(waits.poll());
    assert_pending(waits.poll());
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(tx.send(std::make_unique<int>(i)).has_value());
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(waits.wakers(), 0u);
    EXPECT_EQ(**assert_ready(waits.poll()), 0);
    for (int i = 1; i < 1000; ++i) EXPECT_EQ(**receive(rx), i);
    EXPECT_EQ(rx.try_recv().error(), try_recv_error::empty);
}

// covers: P080
TEST(SyncMpsc, UnboundedChannelClosesFromBothEnds) {
    auto [tx, rx] = mpsc<std::unique_ptr<int>>::unbounded_channel();
    EXPECT_TRUE(tx.send(nullptr).has_value());
    by_hand closed(tx.closed());
    assert_pending(closed.poll());
    rx.close();
    assert_ready(closed.poll());
    EXPECT_EQ(*tx.send(std::make_unique<int>(5)).error().value, 5);
    EXPECT_TRUE(tx.is_closed());
    EXPECT_EQ(*receive(rx), nullptr);
    EXPECT_EQ(receive(rx), std::nullopt);

    auto [tx2, rx2] = mpsc<int>::unbounded_channel();
    by_hand waits(rx2.recv());
    assert_pending(waits.poll());
    auto copy = tx2;
    EXPECT_TRUE(copy.same_channel(tx2));
    auto weak = tx2.downgrade();
    EXPECT_EQ(weak.upgrade()->strong_count(), 3u);
    drop(std::move(tx2));
    EXPECT_FALSE(waits.is_woken());
    drop(std::move(copy));
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(assert_ready(waits.poll()), std::nullopt);
    EXPECT_FALSE(weak.upgrade().has_value());
}

}  // namespace
