// SPDX-License-Identifier: MIT
// runs: tsan
#include <eddy/sync/notify.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>
#include <eddy/test/by_hand.hpp>

#include "support/comes_back.hpp"
#include "support/futures/first_wake.hpp"
#include "support/futures/reentrant_waker.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::notify;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

// covers: P087
TEST(SyncNotify, NotifyOneStoresAtMostOnePermit) {
    notify n;
    n.notify_one();
    n.notify_one();  // stores no second permit
    by_hand first(n.notified());
    assert_ready(first.poll());
    by_hand second(n.notified());
    assert_pending(second.poll());
    n.notify_one();
    EXPECT_TRUE(second.is_woken());
    assert_ready(second.poll());
    assert_ready(second.poll());
}

// covers: P087
TEST(SyncNotify, FirstPollTakesAPermitStoredAfterCreation) {
    notify n;
    by_hand future(n.notified());
    n.notify_one();
    EXPECT_FALSE(future.is_woken());
    assert_ready(future.poll());
}

// covers: P087
TEST(SyncNotify, NotifyOneWakesTheLongestWaiter) {
    notify n;
    by_hand first(n.notified());
    by_hand second(n.notified());
    assert_pending(second.poll());  // queued in the order of the first polls
    assert_pending(first.poll());
    assert_pending(first.poll());
    n.notify_one();
    EXPECT_TRUE(second.is_woken());
    EXPECT_FALSE(first.is_woken());
    assert_pending(first.poll());
    assert_ready(second.poll());
    EXPECT_EQ(second.wakers(), 0u);
    n.notify_one();
    assert_ready(first.poll());
}

// covers: P087
TEST(SyncNotify, NotifyLastWakesTheNewestWaiter) {
    notify n;
    by_hand first(n.notified());
    by_hand second(n.notified());
    assert_pending(first.poll());
    assert_pending(second.poll());
    n.notify_last();
    EXPECT_FALSE(first.is_woken());
    assert_ready(second.poll());
    n.notify_last();
    assert_ready(first.poll());
    n.notify_last();  // stores a permit, too
    assert_ready(by_hand(n.notified()).poll());
}

// covers: P087
TEST(SyncNotify, NotifyWaitersWakesAllAndStoresNoPermit) {
    notify n;
    by_hand first(n.notified());
    by_hand second(n.notified());
    assert_pending(first.poll());
    assert_pending(second.poll());
    n.notify_waiters();
    EXPECT_TRUE(first.is_woken() && second.is_woken());
    assert_ready(first.poll());
    assert_ready(second.poll());
    EXPECT_EQ(first.wakers() + second.wakers(), 0u);
    by_hand later(n.notified());
    assert_pending(later.poll());
}

// covers: P087
TEST(SyncNotify, NotifyWaitersReachesUnpolledFutures) {
    notify n;
    by_hand before(n.notified());
    n.notify_waiters();
    assert_ready(before.poll());
    by_hand after(n.notified());
    assert_pending(after.poll());
}

// covers: P087
TEST(SyncNotify, NotifyWaitersKeepsAStoredPermit) {
    notify n;
    n.notify_one();
    n.notify_waiters();
    assert_ready(by_hand(n.notified()).poll());
    by_hand next(n.notified());
    assert_pending(next.poll());
}

// covers: R067
TEST(SyncNotify, FutureEndedByNotifyWaitersTakesNoPermit) {
    notify n;
    by_hand before(n.notified());
    n.notify_waiters();
    n.notify_one();
    assert_ready(before.poll());
    assert_ready(by_hand(n.notified()).poll());
}

// covers: R067
TEST(SyncNotify, NotifyOneSkipsFuturesThatAreNotified) {
    notify n;
    by_hand before(n.notified());
    assert_pending(before.poll());
    n.notify_waiters();
    n.notify_one();
    before.drop();
    assert_ready(by_hand(n.notified()).poll());
}

// covers: R016
TEST(SyncNotify, DroppedFutureLeavesTheQueue) {
    notify n;
    by_hand first(n.notified());
    by_hand second(n.notified());
    assert_pending(first.poll());
    assert_pending(second.poll());
    first.drop();
    EXPECT_EQ(first.wakers(), 0u);
    n.notify_one();
    EXPECT_FALSE(first.is_woken());
    assert_ready(second.poll());
}

// covers: R063
TEST(SyncNotify, DroppedNotifyOneGoesToTheLongestWaiter) {
    notify n;
    by_hand first(n.notified());
    by_hand second(n.notified());
    by_hand third(n.notified());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(third.poll());
    n.notify_one();
    first.drop();
    EXPECT_TRUE(second.is_woken());
    EXPECT_FALSE(third.is_woken());
    second.drop();
    EXPECT_TRUE(third.is_woken());
    third.drop();
    assert_ready(by_hand(n.notified()).poll());  // no waiter is left: the notification becomes a permit
}

// covers: R063
TEST(SyncNotify, DroppedNotifyLastGoesToTheNewestWaiter) {
    notify n;
    by_hand first(n.notified());
    by_hand second(n.notified());
    by_hand third(n.notified());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(third.poll());
    n.notify_last();
    third.drop();
    EXPECT_FALSE(first.is_woken());
    assert_ready(second.poll());
}

// covers: R063
TEST(SyncNotify, ConsumedNotificationIsNotForwarded) {
    notify n;
    by_hand first(n.notified());
    assert_pending(first.poll());
    n.notify_one();
    assert_ready(first.poll());
    first.drop();
    by_hand next(n.notified());
    assert_pending(next.poll());
}

// covers: P087
TEST(SyncNotify, DroppedNotifyWaitersIsNotForwarded) {
    notify n;
    by_hand first(n.notified());
    assert_pending(first.poll());
    n.notify_waiters();
    by_hand second(n.notified());
    assert_pending(second.poll());
    first.drop();
    EXPECT_FALSE(second.is_woken());
    by_hand third(n.notified());
    assert_pending(third.poll());
}

// covers: P087
TEST(SyncNotify, EnableQueuesWithoutAPoll) {
    notify n;
    by_hand first(n.notified());
    by_hand second(n.notified());
    EXPECT_FALSE(first.future().enable());
    EXPECT_FALSE(first.future().enable());
    assert_pending(second.poll());
    n.notify_one();
    EXPECT_FALSE(second.is_woken());
    EXPECT_TRUE(first.future().enable());
    assert_ready(first.poll());
}

// covers: P087
TEST(SyncNotify, EnableTakesAStoredPermit) {
    notify n;
    n.notify_one();
    by_hand first(n.notified());
    by_hand second(n.notified());
    EXPECT_TRUE(first.future().enable());
    EXPECT_FALSE(second.future().enable());
    assert_ready(first.poll());
}

// covers: P087
TEST(SyncNotify, EnabledFutureIsWokenAfterAPoll) {
    notify n;
    by_hand future(n.notified());
    EXPECT_FALSE(future.future().enable());
    assert_pending(future.poll());
    EXPECT_FALSE(future.future().enable());  // keeps its waker
    EXPECT_EQ(future.wakers(), 1u);
    n.notify_one();
    EXPECT_TRUE(future.is_woken());
}

// covers: R063
TEST(SyncNotify, DroppedEnabledFutureForwardsItsNotification) {
    notify n;
    by_hand first(n.notified());
    by_hand second(n.notified());
    EXPECT_FALSE(first.future().enable());
    assert_pending(second.poll());
    n.notify_one();
    first.drop();
    EXPECT_TRUE(second.is_woken());
}

// covers: R069
TEST(SyncNotify, WakerOfTheLastPollIsWoken) {
    notify n;
    auto future = n.notified();
    eddy::test::wake_counter former;
    eddy::test::wake_counter latter;
    const auto a = former.waker();
    const auto b = latter.waker();
    eddy::context with_a(a);
    eddy::context with_b(b);
    assert_pending(future.poll(with_a));
    assert_pending(future.poll(with_b));
    EXPECT_EQ(former.wakers(), 1u);  // only `a`
    assert_pending(future.poll(with_b));
    EXPECT_EQ(latter.wakers(), 2u);
    n.notify_one();
    EXPECT_EQ(former.wakes(), 0u);
    EXPECT_EQ(latter.wakes(), 1u);
}

// covers: P087
TEST(SyncNotify, PollChargesCoopBudgetOnlyWhenReady) {
    notify n;
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    by_hand future(n.notified());
    assert_pending(future.future().poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
    n.notify_one();
    assert_pending(future.poll(0));
    EXPECT_TRUE(future.is_woken());
    assert_ready(future.poll(1));
}

// covers: P087
TEST(SyncNotify, OwnedFutureKeepsTheNotifyAlive) {
    auto n = std::make_shared<notify>();
    by_hand future(notify::notified_owned(n));
    const std::weak_ptr<notify> watched = n;
    assert_pending(future.poll());
    n->notify_one();
    n.reset();
    EXPECT_FALSE(watched.expired());
    assert_ready(future.poll());
    future.drop();
    EXPECT_TRUE(watched.expired());
    EXPECT_THROW(static_cast<void>(notify::notified_owned(nullptr)), eddy::misuse);
}

// covers: P087
TEST(SyncNotify, FutureMayMoveBeforeItsFirstPoll) {
    notify n;
    auto first = n.notified();
    n.notify_waiters();
    by_hand moved(std::move(first));
    assert_ready(moved.poll());
    by_hand ended(std::move(moved.future()));
    assert_ready(ended.poll());
}

// covers: P087
TEST(SyncNotifyDeathTest, MisuseTerminatesWithMessage) {
    EXPECT_DEATH(
        {
            notify n;
            by_hand polled(n.notified());
            static_cast<void>(polled.poll());
            auto moved = std::move(polled.future());
        },
        "moved after its first poll");
    EXPECT_DEATH(
        {
            std::optional<notify> n(std::in_place);
            by_hand polled(n->notified());
            static_cast<void>(polled.poll());
            n.reset();
        },
        "destroyed while a task waits");
}

TEST(SyncNotifyDeathTest, FirstWokenTaskMayDestroyTheNotify) {
    EXPECT_COMES_BACK([] {
        auto bell = std::make_unique<notify>();
        const support::destroyed_at_first_wake<notify::notified_future> waiting([&] { return bell->notified(); },
                                                                                [&] { bell.reset(); });
        bell->notify_waiters();
    });
}

// covers: P087
TEST(SyncNotify, SelectLoserForwardsItsNotification) {
    notify n;
    notify other;
    by_hand both(eddy::select_biased(n.notified(), other.notified()));
    by_hand next(n.notified());
    assert_pending(both.poll());
    assert_pending(next.poll());
    n.notify_one();
    other.notify_one();
    EXPECT_EQ(assert_ready(both.poll()).index(), 0u);
    assert_pending(next.poll());
    assert_ready(by_hand(other.notified()).poll());  // the loser has forwarded its notification
}

// covers: P087 R081
TEST(SyncNotify, NewWaitersDuringBatchedWakesAreNotWoken) {
    notify n;
    constexpr std::size_t count = 100;
    std::vector<std::unique_ptr<by_hand<notify::notified_future>>> all;
    for (std::size_t i = 0; i < count; ++i) {
        all.push_back(std::make_unique<by_hand<notify::notified_future>>(n.notified()));
    }
    auto fresh = n.notified();  // created before notify_waiters(), and first polled during the wakes
    std::optional<by_hand<notify::notified_future>> newcomer;
    int order = 0;
    // The waker of the first waiter. During the call of this waker one waiter is dropped, another waiter is polled, and
    // a new one begins to wait.
    support::reentrant_waker reentrant([&] {
        if (++order != 2) return;  // the first call is the clone
        all[50]->drop();
        assert_ready(all[60]->poll());
        const auto noop = eddy::waker::noop();
        eddy::context cx(noop);
        assert_ready(fresh.poll(cx));
        newcomer.emplace(n.notified());
        assert_pending(newcomer->poll());
        n.notify_one();  // goes to the newcomer, and not to a waiter that is already notified
        EXPECT_TRUE(newcomer->is_woken());
    });
    {
        auto first = n.notified();
        const auto waker = reentrant.waker();
        eddy::context cx(waker);
        assert_pending(first.poll(cx));
        for (auto& one : all) assert_pending(one->poll());
        n.notify_waiters();
    }
    EXPECT_GE(order, 2);
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(all[i]->is_woken(), i != 50 && i != 60) << i;
        EXPECT_EQ(all[i]->wakers(), 0u) << i;
        if (i != 50) assert_ready(all[i]->poll());
    }
    assert_ready(newcomer->poll());
}

// covers: R068
TEST(SyncNotify, WakerCallbacksMayUseTheNotify) {
    notify n;
    support::reentrant_waker reentrant([&] {
        n.notify_waiters();
        n.notify_one();
        by_hand inner(n.notified());
        static_cast<void>(inner.poll());
    });
    {
        const auto waker = reentrant.waker();
        eddy::context cx(waker);
        const auto other = eddy::waker::noop();
        eddy::context with_other(other);
        for (int i = 0; i < 3; ++i) {
            auto future = n.notified();
            static_cast<void>(future.poll(cx));
            auto second = n.notified();
            static_cast<void>(second.poll(cx));
            static_cast<void>(second.poll(with_other));
            static_cast<void>(second.poll(cx));
            if (i == 0) n.notify_one();
            if (i == 1) n.notify_waiters();
        }
    }
    EXPECT_GT(reentrant.calls(), 5);
}

// covers: P087 P092
TEST(SyncNotify, ThreadsCanWaitWithoutRuntime) {
    notify n;
    std::atomic<int> seen = 0;
    std::thread waiting([&] {
        eddy::wait(n.notified());
        ++seen;
    });
    n.notify_one();
    waiting.join();
    EXPECT_EQ(seen, 1);
}

// ---- Against a model ----

class notify_model {
public:
    enum class states { none, fresh, waits, told };

    explicit notify_model(std::size_t count) : all_(count) {}

    void make(std::size_t i) { all_[i] = {states::fresh, 0}; }
    /// Returns whether the future is ready.
    bool poll(std::size_t i) {
        auto& one = all_[i];
        if (one.state == states::fresh) {
            if (!std::exchange(permit_, false)) {
                one.state = states::waits;
                queue_.push_back(i);
                return false;
            }
            one = {states::told, 0};
        }
        if (one.state == states::told) one.notification = 0;
        return one.state == states::told;
    }
    void drop(std::size_t i) {
        auto one = std::exchange(all_[i], {states::none, 0});
        if (one.state == states::waits) queue_.erase(std::ranges::find(queue_, i));
        if (one.notification != 0) tell(one.notification);
    }
    void tell(char notification) {
        if (queue_.empty()) {
            permit_ = true;
            return;
        }
        const auto next = notification == 'l' ? queue_.back() : queue_.front();
        queue_.erase(std::ranges::find(queue_, next));
        all_[next] = {states::told, notification};
    }
    void tell_all() {
        for (auto& one : all_) {
            if (one.state == states::fresh || one.state == states::waits) one = {states::told, 0};
        }
        queue_.clear();
    }
    [[nodiscard]] states state(std::size_t i) const { return all_[i].state; }

private:
    struct entry {
        states state = states::none;
        char notification = 0;  // 'f' or 'l': forwarded if the future is dropped now
    };
    std::vector<entry> all_;
    std::deque<std::size_t> queue_;
    bool permit_ = false;
};

// covers: P087
TEST(SyncNotifyStress, RandomOperationsMatchAModel) {
    constexpr std::size_t count = 8;
    using hand = by_hand<notify::notified_future>;
    using states = notify_model::states;
    std::mt19937_64 random(support::seed());
    const auto rounds = support::rounds(50'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        notify n;
        notify_model model(count);
        std::vector<std::unique_ptr<hand>> all(count);
        std::vector<bool> had_waited(count);
        for (int step = 0; step < 60; ++step) {
            const auto i = random() % count;
            switch (random() % 8) {
            case 0: n.notify_one(), model.tell('f'); break;
            case 1: n.notify_last(), model.tell('l'); break;
            case 2:
                if (random() % 3 == 0) n.notify_waiters(), model.tell_all();
                break;
            case 3:
                if (all[i]) model.drop(i), all[i].reset();
                break;
            default:
                if (!all[i]) {
                    all[i] = std::make_unique<hand>(n.notified());
                    model.make(i);
                    had_waited[i] = false;
                } else {
                    const bool is_ready = model.poll(i);
                    ASSERT_EQ(all[i]->poll().is_ready(), is_ready) << "round " << round;
                    had_waited[i] = !is_ready;
                }
            }
            for (std::size_t j = 0; j < count; ++j) {
                if (!all[j] || !had_waited[j]) continue;
                ASSERT_EQ(all[j]->is_woken(), model.state(j) == states::told) << "round " << round;
            }
        }
    }
}

// ---- Several threads ----

// covers: P087
TEST(SyncNotifyStress, PingPongBetweenTwoThreadsLosesNoWake) {
    support::handover_rounds rounds(1'000'000);
    notify ping;
    notify pong;
    std::atomic<bool> over = false;
    std::uint64_t served = 0;  // only the notified thread may access it
    std::thread other([&] {
        for (;;) {
            eddy::wait(ping.notified());
            if (over) return;
            ++served;
            pong.notify_one();
        }
    });
    std::uint64_t count = 0;
    while (rounds.next()) {
        ping.notify_one();
        eddy::wait(pong.notified());
        EXPECT_EQ(served, ++count);
    }
    over = true;
    ping.notify_one();
    other.join();
}

// covers: R063 R079
TEST(SyncNotifyStress, AbandonedWaitsLoseNoNotification) {
    // A producer adds units and notifies once for each unit. Consumers wait, give up at random, and take all available
    // units.
    const auto seed = support::seed();
    const std::uint64_t total = support::rounds(2'000'000);
    notify n;
    std::atomic<std::uint64_t> units = 0;
    std::atomic<std::uint64_t> taken = 0;
    auto consume = [&](std::uint64_t own_seed) {
        std::mt19937_64 random(own_seed);
        while (taken.load() < total) {
            if (random() % 4 == 0) {
                by_hand gives_up(n.notified());
                if (!gives_up.poll().is_ready()) {
                    if (random() % 2 == 0) std::this_thread::yield();
                    continue;  // a notification that arrived meanwhile is forwarded or stored
                }
            } else {
                eddy::wait(n.notified());
            }
            taken += units.exchange(0);
        }
        n.notify_one();  // ends the other consumer, too
    };
    std::thread first(consume, seed);
    std::thread second(consume, seed + 1);
    std::thread third([&] {
        std::mt19937_64 random(seed + 2);
        for (std::uint64_t i = 0; i < total; ++i) {
            ++units;
            random() % 2 == 0 ? n.notify_one() : n.notify_last();
        }
    });
    first.join();
    second.join();
    third.join();
    EXPECT_EQ(taken.load(), total);
}

// covers: R143
TEST(SyncNotifyStress, NotifiedTaskMayFreeNotifyUnderSanitizers) {
    support::handover_rounds rounds(300'000);
    std::atomic<notify*> shown = nullptr;
    std::atomic<bool> over = false;
    std::thread notifying([&] {
        while (!over) {
            if (notify* const one = shown.exchange(nullptr)) {
                one->notify_one();
            } else {
                std::this_thread::yield();
            }
        }
    });
    while (rounds.next()) {
        auto one = std::make_unique<notify>();
        by_hand future(one->notified());
        static_cast<void>(future.poll());
        shown = one.get();
        eddy::wait(std::ref(future.future()).get());
        future.drop();
    }
    over = true;
    notifying.join();
}

// covers: P087
TEST(SyncNotifyStress, NotifyWaitersEndsConcurrentWaiters) {
    const auto seed = support::seed();
    notify n;
    std::atomic<int> here = 3;
    auto come_and_go = [&](std::uint64_t own_seed) {
        std::mt19937_64 random(own_seed);
        support::handover_rounds rounds(400'000);
        while (rounds.next()) {
            auto future = n.notified();
            if (random() % 2 == 0) {
                const auto noop = eddy::waker::noop();
                eddy::context cx(noop);
                static_cast<void>(future.poll(cx));
            } else {
                eddy::wait(future);  // hangs if a wake is lost
            }
        }
        --here;
    };
    std::thread first(come_and_go, seed);
    std::thread second(come_and_go, seed + 1);
    std::thread third(come_and_go, seed + 2);
    while (here != 0) n.notify_waiters();
    first.join();
    second.join();
    third.join();
    by_hand later(n.notified());
    EXPECT_FALSE(later.poll().is_ready()) << "notify_waiters() stores no permit";
    n.notify_one();
    EXPECT_TRUE(later.is_woken()) << "no dropped waiter is left in the queue";
}

}  // namespace
