// SPDX-License-Identifier: MIT
// The values in mpsc channels: their destruction, moves that throw, and destructors that use the channel.
#include <eddy/sync/mpsc.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/fragile.hpp"
#include "support/futures/calls_in_destructor.hpp"
#include "support/futures/channel_ends.hpp"
#include "support/polling.hpp"

namespace {

using eddy::sync::mpsc;
using eddy::sync::try_recv_error;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;
using support::calls_in_destructor;
using support::drop;
using support::failing_move;
using support::fragile;

// covers: P079
TEST(SyncMpsc, UnreceivedValuesAreFreedWithTheReceiver) {
    auto value = std::make_shared<int>();
    auto [tx, rx] = mpsc<std::shared_ptr<int>>::channel(4);
    auto permit = tx.try_reserve();
    EXPECT_TRUE(tx.try_send(value).has_value());
    EXPECT_TRUE(tx.try_send(value).has_value());
    EXPECT_EQ(value.use_count(), 3);
    drop(std::move(rx));
    EXPECT_EQ(value.use_count(), 1);
    permit->send(value);  // never received
    drop(std::move(tx));
    EXPECT_EQ(value.use_count(), 1);
}

// covers: P080
TEST(SyncMpsc, UnboundedFreesUnreceivedValuesWithTheReceiver) {
    auto value = std::make_shared<int>();
    auto [tx, rx] = mpsc<std::shared_ptr<int>>::unbounded_channel();
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(tx.send(value).has_value());
    EXPECT_EQ(*rx.try_recv(), value);
    std::vector<std::shared_ptr<int>> some;
    EXPECT_EQ(rx.blocking_recv_many(some, 3), 3u);
    drop(std::move(rx));
    EXPECT_EQ(value.use_count(), 4);
}

// covers: P079
TEST(SyncMpsc, ChannelHoldingItsOwnSenderIsFreed) {
    struct message {
        std::optional<mpsc<std::shared_ptr<message>>::sender> back;
    };
    auto [tx, rx] = mpsc<std::shared_ptr<message>>::channel(1);
    auto holds = std::make_shared<message>();
    const std::weak_ptr<message> seen = holds;
    holds->back = tx;
    EXPECT_TRUE(tx.try_send(std::move(holds)).has_value());
    drop(std::move(tx));
    EXPECT_FALSE(seen.expired());
    drop(std::move(rx));
    EXPECT_TRUE(seen.expired());
}

// covers: P079
TEST(SyncMpsc, OveralignedValuesKeepTheirAlignment) {
    struct alignas(64) wide {
        std::unique_ptr<int> value;
    };
    const auto is_aligned = [](const wide& one) { return reinterpret_cast<std::uintptr_t>(&one) % 64 == 0; };
    auto [tx, rx] = mpsc<wide>::channel(2);
    auto [utx, urx] = mpsc<wide>::unbounded_channel();
    EXPECT_TRUE(tx.try_send(wide{std::make_unique<int>(1)}).has_value());
    EXPECT_TRUE(utx.send(wide{std::make_unique<int>(2)}).has_value());
    const auto one = rx.try_recv();
    const auto two = urx.try_recv();
    EXPECT_TRUE(is_aligned(*one) && is_aligned(*two));
    EXPECT_EQ(*one->value + *two->value, 3);
}

// ---- Moves that throw ----

// covers: P079 R073
TEST(SyncMpsc, SendWhoseMoveThrowsIsSkippedByTheReceiver) {
    auto [tx, rx] = mpsc<fragile>::channel(2);
    auto permit = tx.try_reserve();
    auto other = tx.try_reserve();
    by_hand waits(rx.recv());
    assert_pending(waits.poll());
    {
        const failing_move fails(0);
        EXPECT_THROW(permit->send(fragile(1)), std::runtime_error);
    }
    EXPECT_TRUE(waits.is_woken());
    assert_pending(waits.poll());
    other->send(fragile(2));
    EXPECT_EQ(tx.capacity(), 1u);
    auto received = waits.poll();
    EXPECT_EQ((*received)->number, 2);
    EXPECT_EQ(tx.capacity(), 2u);
}

// covers: P079 R073
TEST(SyncMpsc, RecvWhoseMoveThrowsLosesOnlyThatValue) {
    auto [tx, rx] = mpsc<fragile>::channel(2);
    auto [utx, urx] = mpsc<fragile>::unbounded_channel();
    tx.try_reserve()->send(fragile(1));
    EXPECT_TRUE(utx.send(fragile(1)).has_value());
    {
        const failing_move fails(0);
        EXPECT_THROW(static_cast<void>(rx.try_recv()), std::runtime_error);
    }
    {
        const failing_move fails(0);
        EXPECT_THROW(static_cast<void>(urx.try_recv()), std::runtime_error);
    }
    EXPECT_EQ(tx.capacity(), 2u);
    EXPECT_TRUE(rx.is_empty() && urx.is_empty());
}

TEST(SyncMpsc, ChannelSurvivesAThrowAtAnyMove) {
    for (int nth = 0; nth < 12; ++nth) {
        auto [tx, rx] = mpsc<fragile>::channel(2);
        std::vector<int> got;
        by_hand receiving(rx.recv());
        assert_pending(receiving.poll());
        for (int n = 1; n <= 3; ++n) {
            try {
                fragile value(n);
                const failing_move fails(n == 2 ? nth : -1);
                auto sending = tx.send(std::move(value));
                if (auto sent = support::poll_with(sending, eddy::waker::noop())) {
                    EXPECT_TRUE(sent->has_value());
                }
                while (auto one = rx.try_recv()) got.push_back(one->number);
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the value is lost
            }
        }
        EXPECT_TRUE(receiving.is_woken());
        while (auto one = rx.try_recv()) got.push_back(one->number);
        ASSERT_FALSE(got.empty());
        EXPECT_EQ(got.front(), 1) << nth;
        EXPECT_EQ(got.back(), 3) << nth;
        EXPECT_EQ(tx.capacity(), 2u) << "all capacity is free again; move " << nth << " threw";
        rx.close();
        EXPECT_EQ(rx.try_recv().error(), try_recv_error::closed) << nth;
    }
}

TEST(SyncMpsc, RecvManyLosesNoValueWhenAMoveThrows) {
    for (int nth = 0; nth < 8; ++nth) {
        auto [tx, rx] = mpsc<fragile>::channel(4);
        for (int n = 1; n <= 4; ++n) EXPECT_TRUE(tx.try_send(fragile(n)).has_value());
        std::vector<fragile> into;
        into.reserve(8);
        for (int round = 0; round < 3; ++round) {
            const failing_move fails(round == 0 ? nth : -1);
            try {
                by_hand receiving(rx.recv_many(into, 4));
                static_cast<void>(receiving.poll());
            } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): the next call receives the rest
            }
        }
        EXPECT_EQ(into.size(), 4u) << "no value is lost; move " << nth << " threw";
        EXPECT_EQ(tx.capacity(), 4u) << nth;
    }
}

// ---- Destructors that use the channel ----

/// Receives the remaining values in the destructor of the first value.
template <class Ends>
void receive_in_a_destructor(Ends ends) {
    int alive = 0;
    std::vector<int> got;
    bool is_inside = true;
    std::function<void()> call = [&] {
        if (std::exchange(is_inside, true)) return;
        while (auto next = ends.receiver.try_recv()) got.push_back(next->number());
    };
    for (int n = 1; n <= 3; ++n) EXPECT_TRUE(ends.sender.send_now(calls_in_destructor(n, &call, &alive)));
    is_inside = false;
    {
        auto first = ends.receiver.try_recv();
        ASSERT_TRUE(first.has_value());
        got.insert(got.begin(), first->number());
        is_inside = true;
    }
    while (auto next = ends.receiver.try_recv()) got.push_back(next->number());
    EXPECT_EQ(got, (std::vector<int>{1, 2, 3})) << "each value is received once";
    EXPECT_EQ(alive, 0) << "each is destroyed once";
}

struct bounded_ends {
    mpsc<calls_in_destructor>::receiver receiver;
    struct {
        mpsc<calls_in_destructor>::sender tx;
        bool send_now(const calls_in_destructor& value) { return tx.try_send(value).has_value(); }
    } sender;
};
struct unbounded_ends {
    mpsc<calls_in_destructor>::unbounded_receiver receiver;
    struct {
        mpsc<calls_in_destructor>::unbounded_sender tx;
        bool send_now(const calls_in_destructor& value) { return tx.send(value).has_value(); }
    } sender;
};

TEST(SyncMpscDeathTest, DestructorMayReceiveFromItsChannel) {
    EXPECT_COMES_BACK([] {
        auto [tx, rx] = mpsc<calls_in_destructor>::channel(4);
        receive_in_a_destructor(bounded_ends{std::move(rx), {std::move(tx)}});
    });
}

TEST(SyncMpscDeathTest, DestructorMayReceiveFromUnboundedChannel) {
    EXPECT_COMES_BACK([] {
        auto [tx, rx] = mpsc<calls_in_destructor>::unbounded_channel();
        receive_in_a_destructor(unbounded_ends{std::move(rx), {std::move(tx)}});
    });
}

TEST(SyncMpsc, DestructorMaySendIntoItsChannel) {
    int alive = 0;
    auto [tx, rx] = mpsc<calls_in_destructor>::channel(1);
    int sent = 0;
    std::function<void()> none;
    std::function<void()> call = [&, &to = tx] {
        if (sent == 0 && to.try_send(calls_in_destructor(2, &none, &alive)).has_value()) ++sent;
    };
    EXPECT_TRUE(tx.try_send(calls_in_destructor(1, &none, &alive)).has_value());
    EXPECT_EQ(rx.try_recv()->number(), 1);
    EXPECT_TRUE(tx.try_send(calls_in_destructor(1, &call, &alive)).has_value())
        << "the destructor of a temporary must not send first";
    EXPECT_EQ(sent, 0) << "the channel is full";
    {
        auto first = rx.try_recv();
        EXPECT_EQ(first->number(), 1);
    }
    EXPECT_EQ(sent, 1);
    EXPECT_EQ(rx.try_recv()->number(), 2);
    EXPECT_EQ(alive, 0);
}

}  // namespace
