// SPDX-License-Identifier: MIT
#include <eddy/sync/watch.hpp>

#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/try.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/stream.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/fragile.hpp"
#include "support/futures/calls_in_destructor.hpp"
#include "support/futures/moved_stream.hpp"
#include "support/futures/reentrant_waker.hpp"
#include "support/polling.hpp"

namespace eddy::detail {

struct watch_access {
    template <class T>
    static auto channel(T initial, watch_state::version_type version) {
        return typename sync::watch<T>::ends(new watch_channel<T>(std::move(initial), version));
    }
};

}  // namespace eddy::detail

namespace {

using eddy::sync::recv_error;
using eddy::sync::watch;
using eddy::sync::watch_stream;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::calls_in_destructor;
using support::continues_after_a_move;
using support::expect_misuse_here;
using support::failing_move;
using support::fragile;

// covers: P083
TEST(SyncWatch, BorrowSeesTheNewestValue) {
    auto [tx, rx] = watch<std::string>::channel("one");
    EXPECT_EQ(*rx.borrow(), "one");
    EXPECT_EQ(rx.borrow()->size(), 3u);
    EXPECT_TRUE(tx.send("two").has_value());
    EXPECT_TRUE(tx.send("three").has_value());
    EXPECT_EQ(*rx.borrow(), "three");
    EXPECT_EQ(*tx.borrow(), "three");
}

// covers: P083 I20.5.11
TEST(SyncWatch, SenderCreatedAloneHasNoReceiver) {
    const watch<std::string>::sender tx("one");
    EXPECT_EQ(tx.receiver_count(), 0u);
    EXPECT_EQ(tx.sender_count(), 1u);
    EXPECT_TRUE(tx.is_closed());
    EXPECT_EQ(*tx.borrow(), "one");
    EXPECT_EQ(tx.send("lost").error(), "lost");
    EXPECT_EQ(*tx.borrow(), "one");
    EXPECT_EQ(tx.send_replace("two"), "one");
    auto rx = tx.subscribe();
    EXPECT_EQ(*rx.borrow(), "two");
    by_hand changed(rx.changed());
    assert_pending(changed.poll());
    EXPECT_TRUE(tx.send("three").has_value());
    EXPECT_TRUE(changed.is_woken());
    EXPECT_TRUE(assert_ready(changed.poll()).has_value());
    EXPECT_EQ(rx.get(), "three");
    EXPECT_FALSE(tx.is_closed());
}

// covers: R076
TEST(SyncWatch, InitialValueCountsAsSeen) {
    auto [tx, rx] = watch<int>::channel(1);
    by_hand changed(rx.changed());
    assert_pending(changed.poll());
    EXPECT_EQ(rx.has_changed(), false);
    EXPECT_FALSE(rx.borrow().has_changed());
}

// covers: P083
TEST(SyncWatch, ChangedCompletesOnceForSeveralSends) {
    auto [tx, rx] = watch<int>::channel(1);
    {
        by_hand changed(rx.changed());
        assert_pending(changed.poll());
        assert_pending(changed.poll());
        static_cast<void>(tx.send(2));
        EXPECT_EQ(changed.wakes(), 1u);
        EXPECT_EQ(changed.wakers(), 0u);
        EXPECT_TRUE(assert_ready(changed.poll()).has_value());
    }
    static_cast<void>(tx.send(3));
    static_cast<void>(tx.send(4));
    by_hand once(rx.changed());
    EXPECT_TRUE(assert_ready(once.poll()).has_value());
    by_hand again(rx.changed());
    assert_pending(again.poll());
}

// covers: P083
TEST(SyncWatch, OnlyBorrowAndUpdateMarksTheValueSeen) {
    auto [tx, rx] = watch<int>::channel(1);
    static_cast<void>(tx.send(2));
    EXPECT_TRUE(rx.borrow().has_changed());
    EXPECT_EQ(rx.has_changed(), true);
    const auto look = rx.borrow_and_update();
    EXPECT_TRUE(look.has_changed());
    EXPECT_EQ(*look, 2);
    EXPECT_EQ(rx.has_changed(), false);
    by_hand changed(rx.changed());
    assert_pending(changed.poll());
}

// covers: P083
TEST(SyncWatch, DroppedChangedMarksNothingAsSeen) {
    auto [tx, rx] = watch<int>::channel(1);
    {
        by_hand dropped(rx.changed());
        assert_pending(dropped.poll());
        static_cast<void>(tx.send(2));
    }
    by_hand changed(rx.changed());
    EXPECT_TRUE(assert_ready(changed.poll()).has_value());
    by_hand leaves(rx.changed());
    assert_pending(leaves.poll());
    leaves.drop();
    EXPECT_EQ(leaves.wakers(), 0u);
    static_cast<void>(tx.send(3));
    EXPECT_EQ(leaves.wakes(), 0u);
}

// covers: P083
TEST(SyncWatch, EachReceiverTracksItsOwnVersion) {
    auto [tx, rx] = watch<int>::channel(1);
    auto second = tx.subscribe();
    static_cast<void>(tx.send(2));
    auto copy = rx;
    auto late = tx.subscribe();
    by_hand first(rx.changed());
    EXPECT_TRUE(assert_ready(first.poll()).has_value());
    EXPECT_EQ(second.has_changed(), true);
    EXPECT_EQ(copy.has_changed(), true);  // a copy has seen the same version as the original
    EXPECT_EQ(late.has_changed(), false);
    EXPECT_EQ(tx.receiver_count(), 4u);
    EXPECT_TRUE(rx.same_channel(late));
    EXPECT_FALSE(rx.same_channel(watch<int>::channel(1).receiver));
    copy = late;
    EXPECT_EQ(copy.has_changed(), false);
}

// covers: P083
TEST(SyncWatch, MarkChangedAndMarkUnchangedSetTheSeenState) {
    auto [tx, rx] = watch<int>::channel(1);
    rx.mark_changed();
    EXPECT_EQ(rx.has_changed(), true);
    {
        by_hand changed(rx.changed());
        EXPECT_TRUE(assert_ready(changed.poll()).has_value());
    }
    static_cast<void>(tx.send(2));
    rx.mark_unchanged();
    EXPECT_EQ(rx.has_changed(), false);
    by_hand changed(rx.changed());
    assert_pending(changed.poll());
}

// covers: R076
TEST(SyncWatch, VersionCounterWrapsAround) {
    constexpr auto last = ~std::uint64_t{0} / 2;
    auto [tx, rx] = eddy::detail::watch_access::channel(1, last - 1);
    for (int i = 0; i < 4; ++i) {
        static_cast<void>(tx.send(i));
        EXPECT_EQ(rx.has_changed(), true);
        rx.mark_unchanged();
        EXPECT_EQ(rx.has_changed(), false);
        rx.mark_changed();
        EXPECT_EQ(rx.has_changed(), true);
        by_hand changed(rx.changed());
        EXPECT_TRUE(assert_ready(changed.poll()).has_value());
        EXPECT_EQ(rx.has_changed(), false);
    }
}

// covers: P083
TEST(SyncWatch, LastValueIsSeenBeforeClosed) {
    auto [tx, rx] = watch<int>::channel(1);
    {
        const auto gone = std::move(tx);
        static_cast<void>(gone.send(2));
    }
    EXPECT_FALSE(rx.has_changed().has_value());
    {
        by_hand changed(rx.changed());
        EXPECT_TRUE(assert_ready(changed.poll()).has_value());
    }
    by_hand ended(rx.changed());
    EXPECT_EQ(assert_ready(ended.poll()).error(), recv_error());
    EXPECT_EQ(*rx.borrow(), 2);
}

// covers: P083
TEST(SyncWatch, DropOfTheLastSenderWakesReceivers) {
    auto [tx, rx] = watch<int>::channel(1);
    std::optional copy(tx);
    EXPECT_EQ(tx.sender_count(), 2u);
    EXPECT_TRUE(tx.same_channel(*copy));
    by_hand changed(rx.changed());
    assert_pending(changed.poll());
    copy.reset();
    EXPECT_FALSE(changed.is_woken());
    {
        const auto gone = std::move(tx);
    }
    EXPECT_TRUE(changed.is_woken());
    EXPECT_FALSE(assert_ready(changed.poll()).has_value());
}

// covers: P083
TEST(SyncWatch, SendWithoutReceiversReturnsTheValue) {
    auto [tx, rx] = watch<std::unique_ptr<int>>::channel(std::make_unique<int>(1));
    {
        const auto gone = std::move(rx);
    }
    EXPECT_TRUE(tx.is_closed());
    auto back = tx.send(std::make_unique<int>(2));
    ASSERT_FALSE(back.has_value());
    EXPECT_EQ(*back.error(), 2);
    EXPECT_EQ(**tx.borrow(), 1);
    EXPECT_EQ(*tx.send_replace(std::make_unique<int>(3)), 1);
    auto again = tx.subscribe();
    EXPECT_FALSE(tx.is_closed());
    EXPECT_EQ(**again.borrow(), 3);
    EXPECT_EQ(again.has_changed(), false);
    EXPECT_TRUE(tx.send(std::make_unique<int>(4)).has_value());
    EXPECT_EQ(again.has_changed(), true);
}

// covers: P083
TEST(SyncWatch, SendIfModifiedWakesOnlyOnChange) {
    auto [tx, rx] = watch<int>::channel(1);
    by_hand changed(rx.changed());
    assert_pending(changed.poll());
    EXPECT_FALSE(tx.send_if_modified([](int& value) { return value > 1; }));
    EXPECT_FALSE(changed.is_woken());
    EXPECT_TRUE(tx.send_if_modified([](int& value) { return ++value > 1; }));
    EXPECT_TRUE(changed.is_woken());
    tx.send_modify([](int& value) { value *= 10; });
    EXPECT_EQ(*rx.borrow(), 20);
}

// covers: P083
TEST(SyncWatch, ThrowingModifierReleasesTheLock) {
    auto [tx, rx] = watch<int>::channel(1);
    EXPECT_THROW(tx.send_modify([](int& value) {
        value = 2;
        throw std::runtime_error("no");
    }),
                 std::runtime_error);
    EXPECT_EQ(rx.has_changed(), false);
    EXPECT_EQ(*rx.borrow(), 2);
    EXPECT_TRUE(tx.send(3).has_value());
}

// covers: P083
TEST(SyncWatch, ClosedCompletesWhenTheLastReceiverIsDropped) {
    auto [tx, rx] = watch<int>::channel(1);
    std::optional second(tx.subscribe());
    by_hand closed(tx.closed());
    assert_pending(closed.poll());
    second.reset();
    EXPECT_FALSE(closed.is_woken());
    {
        const auto gone = std::move(rx);
    }
    EXPECT_TRUE(closed.is_woken());
    // A new receiver subscribes before the next poll.
    second.emplace(tx.subscribe());
    assert_pending(closed.poll());
    second.reset();
    EXPECT_TRUE(closed.is_woken());
    assert_ready(closed.poll());
    EXPECT_EQ(closed.wakers(), 0u);
    by_hand dropped(tx.closed());
    assert_ready(dropped.poll());
}

// covers: P083
TEST(SyncWatch, WaitForChecksEachValueOnce) {
    auto [tx, rx] = watch<int>::channel(1);
    {
        by_hand there(rx.wait_for([](int value) { return value == 1; }));
        EXPECT_EQ(**assert_ready(there.poll()), 1);
    }
    int asked = 0;
    auto is_large = [&asked](int value) {
        ++asked;
        return value > 10;
    };
    by_hand waits(rx.wait_for(is_large));
    assert_pending(waits.poll());
    assert_pending(waits.poll());
    EXPECT_EQ(asked, 1);  // the same value is not checked again
    static_cast<void>(tx.send(5));
    EXPECT_TRUE(waits.is_woken());
    assert_pending(waits.poll());
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(rx.has_changed(), false);  // the checked value counts as seen
    static_cast<void>(tx.send(11));
    {
        const auto outcome = assert_ready(waits.poll());
        EXPECT_EQ(**outcome, 11);
    }
    EXPECT_EQ(waits.wakers(), 0u);
    EXPECT_TRUE(tx.send(12).has_value());  // the lock is free
}

// covers: P083
TEST(SyncWatch, WaitForFailsAfterTheLastSender) {
    auto [tx, rx] = watch<int>::channel(1);
    by_hand waits(rx.wait_for([](int value) { return value == 3; }));
    assert_pending(waits.poll());
    {
        const auto gone = std::move(tx);
        static_cast<void>(gone.send(2));
    }
    EXPECT_FALSE(assert_ready(waits.poll()).has_value());
    by_hand there(rx.wait_for([](int value) { return value == 2; }));
    EXPECT_EQ(**assert_ready(there.poll()), 2);
}

// covers: P083
TEST(SyncWatch, ThrowingPredicateReleasesTheLock) {
    auto [tx, rx] = watch<int>::channel(1);
    by_hand waits(rx.wait_for([](int value) -> bool {
        if (value == 2) throw std::runtime_error("no");
        return false;
    }));
    assert_pending(waits.poll());
    static_cast<void>(tx.send(2));
    EXPECT_THROW(static_cast<void>(waits.poll()), std::runtime_error);
    EXPECT_TRUE(tx.send(3).has_value());
}

// covers: P083
TEST(SyncWatch, MovedBorrowUnlocksOnce) {
    auto [tx, rx] = watch<int>::channel(1);
    {
        auto first = rx.borrow();
        auto second = std::move(first);
        first = tx.borrow();
        first = std::move(second);
        EXPECT_EQ(*first, 1);
        EXPECT_EQ(*rx.borrow(), 1);  // readers share the lock
    }
    EXPECT_TRUE(tx.send(2).has_value());
}

// covers: P083
TEST(SyncWatch, MovedFromEndThrowsAndCanBeReassigned) {
    auto [tx, rx] = watch<int>::channel(1);
    auto other = std::move(tx);
    auto looks = std::move(rx);
    EXPECT_THROW(static_cast<void>(tx.send(1)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(rx.borrow()), eddy::misuse);
    EXPECT_THROW(static_cast<void>(rx.changed()), eddy::misuse);
    tx = other;
    rx = looks;
    EXPECT_TRUE(tx.send(5).has_value());
    EXPECT_EQ(*rx.borrow(), 5);
    rx = *&rx;
    EXPECT_EQ(tx.receiver_count(), 2u);
    EXPECT_EQ(tx.sender_count(), 2u);
}

// covers: P083
TEST(SyncWatch, MisuseOfAMovedFromEndNamesTheCallSite) {
    auto [tx, rx] = watch<int>::channel(1);
    auto other = std::move(tx);
    auto looks = std::move(rx);
    auto& sender = tx;  // GCC 12 cannot capture the structured bindings here
    auto& receiver = rx;
    expect_misuse_here([&] { static_cast<void>(sender.send(1)); });
    expect_misuse_here([&] { sender.send_modify([](int& value) { ++value; }); });
    expect_misuse_here([&] { static_cast<void>(sender.subscribe()); });
    expect_misuse_here([&] { static_cast<void>(sender.closed()); });
    expect_misuse_here([&] { static_cast<void>(receiver.get()); });
    expect_misuse_here([&] { static_cast<void>(receiver.borrow_and_update()); });
    expect_misuse_here([&] { static_cast<void>(receiver.changed()); });
    expect_misuse_here([&] { static_cast<void>(receiver.wait_for([](int value) { return value > 1; })); });
    expect_misuse_here([&] { receiver.mark_changed(); });
    expect_misuse_here([&] { eddy::sync::watch_stream<int> stream(std::move(receiver)); });
}

// covers: P083
TEST(SyncWatch, ValueLivesUntilTheLastEndIsDropped) {
    auto value = std::make_shared<int>(1);
    auto ends = std::make_optional(watch<std::shared_ptr<int>>::channel(value));
    std::optional rx(ends->receiver);
    ends.reset();
    EXPECT_EQ(value.use_count(), 2);
    EXPECT_EQ(*rx->borrow(), value);
    rx.reset();
    EXPECT_EQ(value.use_count(), 1);
}

// covers: P083
TEST(SyncWatch, PollChargesCoopBudgetOnlyWhenReady) {
    auto [tx, rx] = watch<int>::channel(1);
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    {
        by_hand changed(rx.changed());
        assert_pending(changed.future().poll(cx));
        EXPECT_EQ(cx.budget(), 1u);
        static_cast<void>(tx.send(1));
        assert_pending(changed.poll(0));
        EXPECT_TRUE(changed.is_woken());
        EXPECT_EQ(rx.has_changed(), true);
        EXPECT_TRUE(assert_ready(changed.poll(1)).has_value());
    }
    by_hand waits(rx.wait_for([](int) { return true; }));
    EXPECT_FALSE(waits.poll(0).is_ready());
    EXPECT_TRUE(waits.poll(1).is_ready());
    by_hand closed(tx.closed());
    assert_pending(closed.poll(1));
}

// covers: P083 P097
TEST(SyncWatch, StreamGivesTheCurrentValueAndEachChange) {
    auto [tx, rx] = watch<int>::channel(1);
    watch_stream<int> values(rx);
    watch_stream<int> changes = watch_stream<int>::from_changes(std::move(rx));
    {
        by_hand first(values.next());
        by_hand change(changes.next());
        EXPECT_EQ(assert_ready(first.poll()), 1);
        assert_pending(first.poll());
        assert_pending(change.poll());
        static_cast<void>(tx.send(2));
        EXPECT_TRUE(first.is_woken() && change.is_woken());
        EXPECT_EQ(assert_ready(first.poll()), 2);
        EXPECT_EQ(assert_ready(change.poll()), 2);
    }
    auto moved = std::move(values);
    static_cast<void>(tx.send(3));
    {
        const auto gone = std::move(tx);
    }
    EXPECT_EQ(eddy::wait(moved.next()), 3);
    EXPECT_EQ(eddy::wait(moved.next()), std::nullopt);
    EXPECT_EQ(eddy::wait(moved.next()), std::nullopt);
}

// covers: R068
TEST(SyncWatch, WakerCallbacksMayUseTheChannel) {
    auto ends = watch<int>::channel(0);
    auto& tx = ends.sender;
    auto& rx = ends.receiver;
    support::reentrant_waker reentrant([&] {
        auto inner = tx.subscribe();
        static_cast<void>(tx.send_replace((inner.get() + tx.get()) / 2 + 1));
        by_hand changed(inner.changed());
        static_cast<void>(changed.poll());
    });
    const auto waker = reentrant.waker();
    const auto noop = eddy::waker::noop();
    eddy::context cx(waker);
    eddy::context with_other(noop);
    for (int i = 0; i < 5; ++i) {
        auto changed = rx.changed();
        static_cast<void>(changed.poll(cx));
        auto second = rx.changed();
        static_cast<void>(second.poll(cx));
        static_cast<void>(second.poll(with_other));
        auto closed = tx.closed();
        static_cast<void>(closed.poll(cx));
        static_cast<void>(tx.send(i));
    }
    EXPECT_GT(reentrant.calls(), 5);
}

// covers: P083
TEST(SyncWatch, TryConvertsRecvErrorToErrorCode) {
    auto wait_for_change = [](watch<int>::receiver rx) -> eddy::task<eddy::result<int>> {
        co_await eddy::try_(rx.changed());
        co_return *rx.borrow();
    };
    auto [tx, rx] = watch<int>::channel(1);
    static_cast<void>(tx.send(7));
    EXPECT_EQ(eddy::wait(wait_for_change(rx)), 7);
    {
        const auto gone = std::move(tx);
    }
    rx.mark_unchanged();
    EXPECT_EQ(eddy::wait(wait_for_change(rx)).error(), eddy::errc::channel_closed);
}

TEST(SyncWatch, LockIsReleasedWhenAMoveThrows) {
    for (int nth = 0; nth < 8; ++nth) {
        auto [tx, rx] = watch<fragile>::channel(fragile(1));
        by_hand changed(rx.changed());
        assert_pending(changed.poll());
        {
            fragile value(2);
            const failing_move fails(nth);
            try {
                static_cast<void>(tx.send(std::move(value)));
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): no receiver is woken then
            }
        }
        tx.send_modify([](fragile& f) { f.number = 3; });
        EXPECT_TRUE(assert_ready(changed.poll()).has_value());
        EXPECT_EQ(rx.borrow()->number, 3);
    }
}

TEST(SyncWatchDeathTest, DestructorOfAValueMayBorrowTheNewOne) {
    EXPECT_COMES_BACK([] {
        int alive = 0;
        int seen = 0;
        std::function<void()> look;
        const std::function<void()> none;
        auto [tx, rx] = watch<calls_in_destructor>::channel(calls_in_destructor(1, &look, &alive));
        look = [&, &from = rx] { seen = from.borrow()->number(); };
        static_cast<void>(tx.send(calls_in_destructor(2, &none, &alive)));
        look = nullptr;
        EXPECT_EQ(seen, 2);
    });
}

TEST(SyncWatch, SendThatWaitsForAGuardPrintsALine) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    auto [tx, rx] = watch<int>::channel(1);
    std::optional look = rx.borrow();

    const int former = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    std::thread sender([&to = tx] { EXPECT_TRUE(to.send(2).has_value()); });
    const unsigned line_of_send = __LINE__ - 1;
    std::array<char, 1000> line{};
    const auto count = ::read(ends[0], line.data(), line.size());  // the pipe has the line, which is one write(2)
    ::dup2(former, STDERR_FILENO);
    look.reset();
    sender.join();
    for (const int fd : {former, ends[0], ends[1]}) ::close(fd);

    ASSERT_GT(count, 0);
    const std::string_view printed(line.data(), static_cast<std::size_t>(count));
    EXPECT_TRUE(printed.starts_with("eddy: a thread has waited 2 s")) << printed;
    EXPECT_TRUE(printed.contains("sync_watch_test.cpp:" + std::to_string(line_of_send))) << printed;
    EXPECT_EQ(rx.get(), 2);
}

TEST(SyncWatch, StreamWakesItsReaderAfterAMove) {
    auto [tx, rx] = watch<int>::channel(1);
    const auto send = [&to = tx] { static_cast<void>(to.send(2)); };
    EXPECT_TRUE(continues_after_a_move(watch_stream<int>(rx).ready_chunks(4), send));
    auto others = eddy::streams::once(5).chain(eddy::streams::pending<int>());
    EXPECT_TRUE(continues_after_a_move(watch_stream<int>::from_changes(rx).merge(std::move(others)), send));
}

}  // namespace
