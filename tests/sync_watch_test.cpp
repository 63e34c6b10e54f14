// SPDX-License-Identifier: MIT
#include <eddy/sync/watch.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/try.hpp>
#include <eddy/wait.hpp>

#include "support/polling.hpp"
#include "support/reentrant_waker.hpp"
#include "support/stress.hpp"

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
using support::expect_misuse_here;

TEST(SyncWatch, BorrowSeesTheNewestValue) {
    auto [tx, rx] = watch<std::string>::channel("one");
    EXPECT_EQ(*rx.borrow(), "one");
    EXPECT_EQ(rx.borrow()->size(), 3u);
    EXPECT_TRUE(tx.send("two").has_value());
    EXPECT_TRUE(tx.send("three").has_value());
    EXPECT_EQ(*rx.borrow(), "three");
    EXPECT_EQ(*tx.borrow(), "three");
}

TEST(SyncWatch, InitialValueCountsAsSeen) {
    auto [tx, rx] = watch<int>::channel(1);
    by_hand changed(rx.changed());
    assert_pending(changed.poll());
    EXPECT_EQ(rx.has_changed(), false);
    EXPECT_FALSE(rx.borrow().has_changed());
}

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

TEST(SyncWatch, EachReceiverTracksItsOwnVersion) {
    auto [tx, rx] = watch<int>::channel(1);
    auto second = tx.subscribe();
    static_cast<void>(tx.send(2));
    auto copy = rx;
    auto late = tx.subscribe();
    by_hand first(rx.changed());
    EXPECT_TRUE(assert_ready(first.poll()).has_value());
    EXPECT_EQ(second.has_changed(), true);
    EXPECT_EQ(copy.has_changed(), true);  // a copy has seen what the original had
    EXPECT_EQ(late.has_changed(), false);
    EXPECT_EQ(tx.receiver_count(), 4u);
    EXPECT_TRUE(rx.same_channel(late));
    EXPECT_FALSE(rx.same_channel(watch<int>::channel(1).receiver));
    copy = late;
    EXPECT_EQ(copy.has_changed(), false);
}

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
    // Somebody came in the meantime.
    second.emplace(tx.subscribe());
    assert_pending(closed.poll());
    second.reset();
    EXPECT_TRUE(closed.is_woken());
    assert_ready(closed.poll());
    EXPECT_EQ(closed.wakers(), 0u);
    by_hand dropped(tx.closed());
    assert_ready(dropped.poll());
}

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
    EXPECT_EQ(asked, 1);  // not again about the same value
    static_cast<void>(tx.send(5));
    EXPECT_TRUE(waits.is_woken());
    assert_pending(waits.poll());
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(rx.has_changed(), false);  // what it was asked about is seen
    static_cast<void>(tx.send(11));
    {
        const auto outcome = assert_ready(waits.poll());
        EXPECT_EQ(**outcome, 11);
    }
    EXPECT_EQ(waits.wakers(), 0u);
    EXPECT_TRUE(tx.send(12).has_value());  // and the lock is free
}

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

TEST(SyncWatch, MovedBorrowUnlocksOnce) {
    auto [tx, rx] = watch<int>::channel(1);
    {
        auto first = rx.borrow();
        auto second = std::move(first);
        first = tx.borrow();
        first = std::move(second);
        EXPECT_EQ(*first, 1);
        EXPECT_EQ(*rx.borrow(), 1);  // readers share
    }
    EXPECT_TRUE(tx.send(2).has_value());
}

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

TEST(SyncWatch, MisuseOfAMovedFromEndNamesTheCallSite) {
    auto [tx, rx] = watch<int>::channel(1);
    auto other = std::move(tx);
    auto looks = std::move(rx);
    auto& sender = tx;  // GCC 12: a closure cannot have the name of a binding
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

// ---- Against a model ----

TEST(SyncWatchStress, RandomOperationsMatchAModel) {
    std::mt19937_64 random(support::seed());
    const auto rounds = support::rounds(30'000);
    struct end {
        watch<int>::receiver rx;
        int seen;  // the model: which value it has seen
        std::unique_ptr<by_hand<watch<int>::changed_future>> waits = nullptr;
    };
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto ends = watch<int>::channel(0);
        std::optional<watch<int>::sender> tx(std::move(ends.sender));
        std::vector<std::unique_ptr<end>> all;
        all.push_back(std::make_unique<end>(std::move(ends.receiver), 0));
        int now = 0;
        for (int step = 0; step < 60; ++step) {
            if (all.empty()) break;
            auto& one = *all[random() % all.size()];
            switch (random() % 12) {
            case 0:
            case 1:
                if (!tx) break;
                ASSERT_TRUE(tx->send(++now).has_value());
                break;
            case 2:
                if (tx && all.size() < 6) all.push_back(std::make_unique<end>(tx->subscribe(), now));
                break;
            case 3:
                if (all.size() < 6) all.push_back(std::make_unique<end>(one.rx, one.seen));
                break;
            case 4:
                if (random() % 4 == 0) all.erase(all.begin());
                break;
            case 5:
                if (random() % 8 == 0) tx.reset();
                break;
            case 6: one.waits.reset(); break;
            case 7:
                ASSERT_EQ(*one.rx.borrow(), now);
                ASSERT_EQ(one.rx.borrow_and_update().has_changed(), one.seen != now);
                one.seen = now;
                break;
            case 8: one.rx.mark_changed(), one.seen = -1; break;
            default:
                if (!one.waits) one.waits = std::make_unique<by_hand<watch<int>::changed_future>>(one.rx.changed());
                const auto answer = one.waits->poll();
                ASSERT_EQ(answer.is_ready(), one.seen != now || !tx) << "round " << round;
                if (!answer.is_ready()) break;
                ASSERT_EQ(answer->has_value(), one.seen != now) << "round " << round;
                one.seen = now;
                one.waits.reset();
            }
        }
    }
}

// ---- Several threads ----

TEST(SyncWatchStress, ReceiversSeeWholeGrowingValuesUpToTheLast) {
    const std::uint64_t last = support::rounds(1'000'000);
    struct pair {
        std::uint64_t first = 0;
        std::uint64_t second = 0;
    };
    auto [tx, rx] = watch<pair>::channel(pair());
    const auto receive = [last](watch<pair>::receiver mine) {
        std::uint64_t seen = 0;
        while (eddy::wait(mine.changed()).has_value()) {
            const auto look = mine.borrow_and_update();
            EXPECT_EQ(look->first, look->second);
            EXPECT_GE(look->first, seen);
            seen = look->first;
        }
        EXPECT_EQ(seen, last);
    };
    std::thread first(receive, rx);
    std::thread second(receive, rx);
    std::thread third([mine = rx, last]() mutable {
        auto is_last = [last](const pair& value) { return value.first == last; };
        const auto outcome = eddy::wait(mine.wait_for(is_last));
        EXPECT_EQ((*outcome)->second, last);
    });
    for (std::uint64_t i = 1; i <= last; ++i) {
        if (i % 2 == 0) {
            EXPECT_TRUE(tx.send({i, i}).has_value());
        } else {
            tx.send_modify([&](pair& value) {
                value.first = i;
                value.second = i;
            });
        }
    }
    {
        const auto gone = std::move(tx);
    }
    first.join();
    second.join();
    third.join();
}

/// The threads know of each other by the channel only.
TEST(SyncWatchStress, ClosedSenderSeesTheLastReceiversWrites) {
    for (auto left = support::rounds(5'000); left != 0; --left) {
        auto [tx, rx] = watch<int>::channel(0);
        int told = 0;
        std::thread receiving([&told, from = std::move(rx)]() mutable {
            told = 1;
            const auto gone = std::move(from);
        });
        while (!tx.is_closed()) std::this_thread::yield();
        EXPECT_EQ(told, 1);
        receiving.join();
    }
}

TEST(SyncWatchStress, EndsAreCreatedAndDroppedConcurrently) {
    const auto seed = support::seed();
    support::handover_rounds rounds(60'000);
    const auto value = std::make_shared<int>(1);
    using channel = watch<std::shared_ptr<int>>;
    std::uint64_t round = 0;
    while (rounds.next()) {
        ++round;
        auto ends = channel::channel(value);
        std::thread sends([tx = std::move(ends.sender), value, which = (seed + round) % 3] {
            if (which == 0) eddy::wait(tx.closed());
            const auto copy = tx;
            while (tx.send(value).has_value()) std::this_thread::yield();
            EXPECT_TRUE(copy.is_closed());
        });
        std::thread receives([rx = ends.receiver, which = (seed + round) % 3]() mutable {
            if (which != 0) {
                auto copy = rx;
                EXPECT_TRUE(eddy::wait(copy.changed()).has_value());
            }
            auto gone = std::move(rx);
        });
        {
            const auto gone = std::move(ends.receiver);
        }
        sends.join();
        receives.join();
        EXPECT_EQ(value.use_count(), 1);
    }
}

TEST(SyncWatchStress, WritersAndGuardHoldingReadersTakeTurns) {
    const std::uint64_t each = support::rounds(300'000);
    auto [tx, rx] = watch<std::uint64_t>::channel(0);
    const auto write = [each](watch<std::uint64_t>::sender mine) {
        for (std::uint64_t i = 0; i < each; ++i) {
            mine.send_modify([&](std::uint64_t& value) {
                const auto before = value;
                if (i % 64 == 0) std::this_thread::yield();
                value = before + 1;
            });
        }
    };
    std::thread first(write, tx);
    std::thread second(write, tx);
    std::thread reads([mine = rx, each] {
        for (std::uint64_t i = 0; i < each / 4; ++i) {
            const auto outer = mine.borrow();
            if (i % 16 == 0) std::this_thread::yield();
            const auto inner = mine.borrow();  // once more on this thread, while a writer may wait
            EXPECT_EQ(*outer, *inner);
        }
    });
    first.join();
    second.join();
    reads.join();
    EXPECT_EQ(*rx.borrow(), 2 * each);
}

}  // namespace
