// SPDX-License-Identifier: MIT
// runs: tsan
#include <eddy/sync/barrier.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/runtime/wait.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/futures/first_wake.hpp"
#include "support/futures/reentrant_waker.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::barrier;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

// covers: P088
TEST(SyncBarrier, CountOfZeroOrOneLetsEveryTaskPass) {
    barrier none(0);
    barrier one(1);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(assert_ready(by_hand(none.wait()).poll()).is_leader());
        EXPECT_TRUE(assert_ready(by_hand(one.wait()).poll()).is_leader());
    }
}

// covers: P088
TEST(SyncBarrier, LastToArriveLeadsAndWakesTheOthers) {
    barrier all(3);
    for (int round = 0; round < 2; ++round) {
        by_hand first(all.wait());
        by_hand second(all.wait());
        by_hand third(all.wait());
        assert_pending(first.poll());
        assert_pending(second.poll());
        assert_pending(second.poll());
        EXPECT_TRUE(assert_ready(third.poll()).is_leader());
        EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 1 && third.wakes() == 0);
        EXPECT_EQ(first.wakers() + second.wakers() + third.wakers(), 0u);
        EXPECT_FALSE(assert_ready(first.poll()).is_leader());
        EXPECT_FALSE(assert_ready(second.poll()).is_leader());
        EXPECT_THROW(static_cast<void>(second.poll()), eddy::misuse);
    }
}

// covers: P088
TEST(SyncBarrier, WaitAfterTheLeaderBelongsToTheNextRound) {
    barrier all(2);
    by_hand first(all.wait());
    assert_pending(first.poll());
    static_cast<void>(assert_ready(by_hand(all.wait()).poll()));
    by_hand next(all.wait());
    assert_pending(next.poll());
    first.drop();  // its round has ended: the drop does not affect the next round
    EXPECT_TRUE(assert_ready(by_hand(all.wait()).poll()).is_leader());
    EXPECT_FALSE(assert_ready(next.poll()).is_leader());
}

// covers: P088
TEST(SyncBarrier, DroppedWaiterDoesNotCountAsArrived) {
    barrier all(2);
    by_hand first(all.wait());
    by_hand never_polled(all.wait());
    assert_pending(first.poll());
    first.drop();
    EXPECT_EQ(first.wakers(), 0u);
    by_hand second(all.wait());
    assert_pending(second.poll());
    EXPECT_TRUE(assert_ready(never_polled.poll()).is_leader());
    EXPECT_FALSE(assert_ready(second.poll()).is_leader());
}

// covers: P088
TEST(SyncBarrier, WaitersMayLeaveAndArriveDuringBatchedWakes) {
    constexpr std::size_t count = 100;
    barrier all(count + 2);
    std::vector<std::unique_ptr<by_hand<barrier::wait_future>>> hands;
    std::optional<by_hand<barrier::wait_future>> next;
    int calls = 0;
    support::reentrant_waker reentrant([&] {
        if (++calls != 2) return;  // the first call is the clone
        hands[50]->drop();
        EXPECT_FALSE(assert_ready(hands[60]->poll()).is_leader());
        next.emplace(all.wait());
        assert_pending(next->poll());
    });
    auto first = all.wait();
    const auto waker = reentrant.waker();
    eddy::context cx(waker);
    assert_pending(first.poll(cx));
    for (std::size_t i = 0; i < count; ++i) {
        hands.push_back(std::make_unique<by_hand<barrier::wait_future>>(all.wait()));
        assert_pending(hands.back()->poll());
    }
    EXPECT_TRUE(assert_ready(by_hand(all.wait()).poll()).is_leader());
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(hands[i]->wakes(), i == 50 || i == 60 ? 0u : 1u) << i;
    EXPECT_FALSE(next->is_woken());
}

// covers: R069
TEST(SyncBarrier, WakerOfTheLastPollIsWoken) {
    barrier all(2);
    auto waits = all.wait();
    eddy::test::wake_counter former;
    eddy::test::wake_counter latter;
    const auto a = former.waker();
    const auto b = latter.waker();
    eddy::context with_a(a);
    eddy::context with_b(b);
    assert_pending(waits.poll(with_a));
    assert_pending(waits.poll(with_b));
    EXPECT_EQ(former.wakers(), 1u);
    static_cast<void>(assert_ready(by_hand(all.wait()).poll()));
    EXPECT_EQ(former.wakes(), 0u);
    EXPECT_EQ(latter.wakes(), 1u);
}

// covers: P088
TEST(SyncBarrier, PollChargesCoopBudgetOnlyWhenReady) {
    barrier all(2);
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    auto first = all.wait();
    assert_pending(first.poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
    by_hand second(all.wait());
    assert_pending(second.poll(0));  // does not count as an arrival
    EXPECT_TRUE(second.is_woken());
    EXPECT_TRUE(assert_ready(second.poll(1)).is_leader());
    static_cast<void>(assert_ready(first.poll(cx)));
    EXPECT_EQ(cx.budget(), 0u);
}

// covers: R068
TEST(SyncBarrier, WakerCallbacksMayUseTheBarrier) {
    barrier all(2);
    support::reentrant_waker reentrant([&] {
        by_hand first(all.wait());
        static_cast<void>(first.poll());
    });
    {
        const auto waker = reentrant.waker();
        const auto noop = eddy::waker::noop();
        eddy::context cx(waker);
        eddy::context with_other(noop);
        for (int i = 0; i < 5; ++i) {
            auto one = all.wait();
            static_cast<void>(one.poll(cx));
            auto two = all.wait();
            static_cast<void>(two.poll(with_other));
        }
        auto one = all.wait();
        assert_pending(one.poll(cx));
        assert_pending(one.poll(with_other));
    }
    EXPECT_GT(reentrant.calls(), 5);
}

// covers: P088
TEST(SyncBarrierDeathTest, MisuseTerminatesWithMessage) {
    EXPECT_DEATH(
        {
            std::optional<barrier> all(2);
            by_hand waits(all->wait());
            static_cast<void>(waits.poll());
            all.reset();
        },
        "destroyed while a task waits");
    EXPECT_DEATH(
        {
            barrier all(2);
            by_hand waits(all.wait());
            static_cast<void>(waits.poll());
            auto moved = std::move(waits.future());
        },
        "moved after its first poll");
}

TEST(SyncBarrierDeathTest, FirstWokenTaskMayDestroyAllWaiters) {
    EXPECT_COMES_BACK([] {
        auto gate = std::make_unique<barrier>(support::more_than_a_batch + 1);
        const support::destroyed_at_first_wake<barrier::wait_future> waiting([&] { return gate->wait(); }, [] {});
        by_hand last(gate->wait());
        static_cast<void>(assert_ready(last.poll()));
        last.drop();
        gate.reset();
    });
}

// covers: P088
TEST(SyncBarrierStress, RandomOperationsMatchAModel) {
    std::mt19937_64 random(support::seed());
    const auto rounds = support::rounds(50'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const std::size_t needed = 1 + random() % 4;
        barrier all(needed);
        struct one {
            std::unique_ptr<by_hand<barrier::wait_future>> hand;
            bool waits = false;  // the model: the waiter has arrived, and its round is not over
        };
        std::vector<one> hands(6);
        for (int step = 0; step < 60; ++step) {
            auto& it = hands[random() % hands.size()];
            if (random() % 5 == 0 || !it.hand) {
                it.hand = random() % 4 == 0 ? nullptr : std::make_unique<by_hand<barrier::wait_future>>(all.wait());
                it.waits = false;
                continue;
            }
            const bool had_arrived = it.hand->wakers() > 0 || it.hand->is_woken();
            std::size_t here = 0;
            for (const auto& each : hands) here += each.waits ? 1 : 0;
            const auto answer = it.hand->poll();
            if (!had_arrived && here + 1 == needed) {
                ASSERT_TRUE(answer.is_ready() && answer->is_leader()) << "round " << round;
                for (auto& each : hands) {
                    if (!std::exchange(each.waits, false)) continue;
                    ASSERT_TRUE(each.hand->is_woken()) << "round " << round;
                }
            } else if (!had_arrived) {
                ASSERT_FALSE(answer.is_ready()) << "round " << round;
                it.waits = true;
            } else {
                ASSERT_EQ(answer.is_ready(), !it.waits) << "round " << round;
                ASSERT_FALSE(answer.is_ready() && answer->is_leader()) << "round " << round;
            }
            if (answer.is_ready()) it.hand.reset();
        }
    }
}

// covers: P088 P092
TEST(SyncBarrierStress, ThreadsMeetInEveryRoundWithoutRuntime) {
    constexpr std::uint64_t threads = 3;
    barrier all(threads);
    std::atomic<std::uint64_t> came = 0;
    std::atomic<std::uint64_t> leaders = 0;
    // The first thread sets this before it arrives in its last round, so that the other threads see the value when they
    // leave that round.
    std::atomic<std::uint64_t> last_round = ~std::uint64_t{0};
    const auto meet = [&](std::uint64_t self) {
        std::mt19937_64 random(support::seed() + self);
        support::handover_rounds left(200'000);
        for (std::uint64_t round = 0;; ++round) {
            if (self == 0 && !left.next()) last_round = round;
            ++came;
            bool leads = false;
            if (random() % 4 == 0) {
                // Polls the future once, and then waits for it. It must not be dropped after that poll: it has arrived,
                // so the other threads may have left the round already.
                by_hand polled_first(all.wait());
                const auto answer = polled_first.poll();
                leads = answer.is_ready();
                if (!leads) {
                    EXPECT_FALSE(eddy::wait(polled_first.future()).is_leader())
                        << "a task that has waited must not lead";
                }
            } else {
                leads = eddy::wait(all.wait()).is_leader();
            }
            if (leads) ++leaders;
            EXPECT_GE(came.load(), (round + 1) * threads);
            if (round == last_round) return;
        }
    };
    std::vector<std::thread> running;
    for (std::uint64_t i = 0; i < threads; ++i) running.emplace_back(meet, i);
    for (auto& one : running) one.join();
    EXPECT_EQ(leaders, last_round + 1);
}

}  // namespace
