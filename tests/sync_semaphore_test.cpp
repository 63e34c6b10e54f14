// SPDX-License-Identifier: MIT
#include <eddy/sync/semaphore.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/join.hpp>
#include <eddy/select.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/try.hpp>
#include <eddy/wait.hpp>

#include "support/polling.hpp"
#include "support/stress.hpp"

namespace {

using eddy::sync::acquire_error;
using eddy::sync::semaphore;
using eddy::sync::try_acquire_error;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

template <class Hand>
auto permit_of(Hand& hand) {
    return assert_ready(hand.poll()).value();
}

TEST(SyncSemaphore, AcquireIsReadyWhilePermitsAreFree) {
    semaphore permits(3);
    by_hand two(permits.acquire(2));
    auto held = permit_of(two);
    EXPECT_EQ(held.num_permits(), 2u);
    EXPECT_EQ(permits.available_permits(), 1u);
    auto last = permits.try_acquire();
    ASSERT_TRUE(last.has_value());
    EXPECT_EQ(permits.try_acquire().error(), try_acquire_error::no_permits);
    last = std::unexpected(try_acquire_error::closed);
    EXPECT_EQ(permits.available_permits(), 1u);
}

TEST(SyncSemaphore, ReleaseWakesTheWaiterOnce) {
    semaphore permits(1);
    auto held = std::make_optional(permits.try_acquire().value());
    by_hand waits(permits.acquire());
    assert_pending(waits.poll());
    assert_pending(waits.poll());
    EXPECT_EQ(waits.wakers(), 1u);
    held.reset();
    EXPECT_EQ(waits.wakes(), 1u);
    EXPECT_EQ(waits.wakers(), 0u);
    EXPECT_EQ(permits.available_permits(), 0u);  // it is given away already
    EXPECT_FALSE(permits.try_acquire().has_value());
    const auto permit = permit_of(waits);
    EXPECT_THROW(static_cast<void>(waits.poll()), eddy::misuse);
}

TEST(SyncSemaphore, PermitsAreGrantedInFifoOrder) {
    semaphore permits(0);
    by_hand first(permits.acquire());
    by_hand second(permits.acquire());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(first.poll());  // does not lose its place
    permits.add_permits(1);
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 0);
    permits.add_permits(1);
    EXPECT_EQ(second.wakes(), 1u);
    permit_of(first).forget();
    permit_of(second).forget();
}

TEST(SyncSemaphore, LargeRequestAtTheFrontIsNotOvertaken) {
    semaphore permits(2);
    by_hand large(permits.acquire(3));
    by_hand small(permits.acquire(1));
    assert_pending(large.poll());
    assert_pending(small.poll());
    EXPECT_EQ(permits.available_permits(), 2u);
    EXPECT_EQ(permits.try_acquire().error(), try_acquire_error::no_permits);
    permits.add_permits(1);
    EXPECT_TRUE(large.is_woken());
    EXPECT_FALSE(small.is_woken());
    auto held = permit_of(large);
    held = *held.split(0);  // gives three back, and keeps none
    EXPECT_TRUE(small.is_woken());
    EXPECT_EQ(permits.available_permits(), 2u);
}

TEST(SyncSemaphore, DroppedLargeRequestLetsLaterOnesThrough) {
    semaphore permits(2);
    by_hand large(permits.acquire(3));
    by_hand small(permits.acquire(1));
    by_hand other(permits.acquire(2));
    assert_pending(large.poll());
    assert_pending(small.poll());
    assert_pending(other.poll());
    large.drop();
    EXPECT_EQ(large.wakers(), 0u);
    EXPECT_TRUE(small.is_woken());
    EXPECT_FALSE(other.is_woken());
    EXPECT_EQ(permits.available_permits(), 1u);
    other.drop();
    EXPECT_TRUE(permits.try_acquire().has_value());  // nobody waits any more
}

TEST(SyncSemaphore, DroppedGrantedAcquireForwardsItsPermit) {
    semaphore permits(0);
    by_hand first(permits.acquire());
    by_hand second(permits.acquire());
    assert_pending(first.poll());
    assert_pending(second.poll());
    permits.add_permits(1);
    ASSERT_TRUE(first.is_woken());
    first.drop();
    EXPECT_TRUE(second.is_woken());
    const auto permit = permit_of(second);
    EXPECT_EQ(permits.available_permits(), 0u);
}

TEST(SyncSemaphore, DroppedWaiterInTheMiddleIsSkipped) {
    semaphore permits(0);
    by_hand first(permits.acquire());
    by_hand second(permits.acquire());
    by_hand third(permits.acquire());
    assert_pending(first.poll());
    assert_pending(second.poll());
    assert_pending(third.poll());
    second.drop();
    permits.add_permits(2);
    EXPECT_TRUE(first.is_woken() && third.is_woken());
    EXPECT_EQ(second.wakes(), 0u);
    EXPECT_EQ(second.wakers(), 0u);
}

TEST(SyncSemaphore, JoinedFuturesTakeTurnsWithOnePermit) {
    semaphore permits(1);
    std::atomic<int> inside{0};
    auto use = [&]() -> eddy::task<void> {
        auto permit = co_await permits.acquire();
        EXPECT_EQ(inside.fetch_add(1), 0);
        auto [tx, rx] = eddy::sync::oneshot<>::channel();
        static_cast<void>(tx.send());
        static_cast<void>(co_await rx);
        inside.fetch_sub(1);
    };
    eddy::wait(eddy::join(use(), use()));
    EXPECT_EQ(permits.available_permits(), 1u);
}

TEST(SyncSemaphore, WakerOfTheLastPollIsWoken) {
    semaphore permits(0);
    auto waits = permits.acquire();
    eddy::test::wake_counter first;
    eddy::test::wake_counter second;
    assert_pending(support::poll_with(waits, first.waker()));
    assert_pending(support::poll_with(waits, second.waker()));
    EXPECT_EQ(first.wakers(), 0u);
    permits.add_permits(1);
    EXPECT_TRUE(first.wakes() == 0 && second.wakes() == 1);
}

TEST(SyncSemaphore, CloseFailsWaitersAndNewRequests) {
    semaphore permits(1);
    auto held = permits.try_acquire().value();
    by_hand first(permits.acquire());
    by_hand second(permits.acquire(5));
    assert_pending(first.poll());
    assert_pending(second.poll());
    permits.close();
    permits.close();
    EXPECT_TRUE(permits.is_closed());
    EXPECT_TRUE(first.wakes() == 1 && second.wakes() == 1);
    EXPECT_EQ(assert_ready(first.poll()).error(), acquire_error());
    EXPECT_EQ(assert_ready(second.poll()).error().to_error_code(), eddy::errc::semaphore_closed);
    held = *held.split(0);
    EXPECT_EQ(permits.available_permits(), 1u);
    EXPECT_EQ(permits.try_acquire().error(), try_acquire_error::closed);
    EXPECT_EQ(permits.try_acquire(0).error(), try_acquire_error::closed);
}

TEST(SyncSemaphore, PermitGrantedBeforeCloseStaysValid) {
    semaphore permits(0);
    by_hand waits(permits.acquire());
    assert_pending(waits.poll());
    permits.add_permits(1);
    permits.close();
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
}

TEST(SyncSemaphore, PermitsAddedDuringCloseGoToNoWaiter) {
    semaphore permits(0);
    auto first = permits.acquire();
    support::calling_waker adds([&] { permits.add_permits(1); });
    assert_pending(support::poll_with(first, adds.waker()));
    std::list<by_hand<semaphore::acquire_future>> waiting;  // more than are woken in one go
    for (int i = 0; i < 40; ++i) assert_pending(waiting.emplace_back(permits.acquire()).poll());
    permits.close();
    for (auto& one : waiting) EXPECT_FALSE(assert_ready(one.poll()).has_value());
    EXPECT_EQ(permits.available_permits(), 1u);
}

TEST(SyncSemaphore, ForgetAndAddLeaveASemaphoreClosed) {
    semaphore permits(2);
    permits.close();
    EXPECT_EQ(permits.forget_permits(1), 1u);
    EXPECT_TRUE(permits.is_closed());
    permits.add_permits(3);
    EXPECT_TRUE(permits.is_closed());
    EXPECT_EQ(permits.available_permits(), 4u);
}

TEST(SyncSemaphore, MoreThanMaxPermitsIsMisuse) {
    semaphore permits(semaphore::max_permits);
    EXPECT_EQ(permits.available_permits(), semaphore::max_permits);
    EXPECT_THROW(permits.add_permits(1), eddy::misuse);
    EXPECT_THROW(permits.add_permits(SIZE_MAX), eddy::misuse);
    EXPECT_EQ(permits.available_permits(), semaphore::max_permits);
    EXPECT_FALSE(permits.is_closed());
    EXPECT_THROW(semaphore(semaphore::max_permits + 1), eddy::misuse);
    EXPECT_THROW(static_cast<void>(permits.acquire(semaphore::max_permits + 1)), eddy::misuse);
    EXPECT_THROW(static_cast<void>(permits.try_acquire(semaphore::max_permits + 1)), eddy::misuse);
    EXPECT_EQ(permits.try_acquire(semaphore::max_permits).value().num_permits(), semaphore::max_permits);
}

TEST(SyncSemaphore, ReleaseReturnsAPermitEarly) {
    semaphore permits(3);
    by_hand waits(permits.acquire(2));
    {
        auto held = std::move(*permits.try_acquire(2));
        assert_pending(waits.poll());
        held.release();
        EXPECT_EQ(held.num_permits(), 0u);
        EXPECT_TRUE(waits.is_woken());
        held.release();
    }
    EXPECT_EQ(permits.available_permits(), 1u);
    EXPECT_TRUE(assert_ready(waits.poll()).has_value());
    EXPECT_EQ(permits.available_permits(), 3u);
}

TEST(SyncSemaphore, ForgetPermitsTakesOnlyFreeOnes) {
    semaphore permits(5);
    const auto held = permits.try_acquire(3).value();
    EXPECT_EQ(permits.forget_permits(10), 2u);
    EXPECT_EQ(permits.forget_permits(1), 0u);
    EXPECT_EQ(permits.available_permits(), 0u);
}

TEST(SyncSemaphore, ForgottenPermitIsNotReturned) {
    semaphore permits(2);
    permits.try_acquire().value().forget();
    EXPECT_EQ(permits.available_permits(), 1u);
}

TEST(SyncSemaphore, PermitsSplitAndMerge) {
    semaphore permits(5);
    auto all = permits.try_acquire(5).value();
    EXPECT_FALSE(all.split(6).has_value());
    EXPECT_EQ(all.num_permits(), 5u);
    auto two = all.split(2);
    EXPECT_EQ(all.num_permits(), 3u);
    EXPECT_EQ(two->num_permits(), 2u);
    auto one = two->split(1);
    two.reset();
    EXPECT_EQ(permits.available_permits(), 1u);
    all.merge(std::move(*one));
    EXPECT_EQ(all.num_permits(), 4u);
    one.reset();
    EXPECT_EQ(permits.available_permits(), 1u);
    all.merge(permits.try_acquire().value());
    EXPECT_EQ(all.num_permits(), 5u);
}

TEST(SyncSemaphore, PermitsOfDifferentSemaphoresDoNotMerge) {
    semaphore one(1);
    semaphore other(1);
    auto mine = one.try_acquire().value();
    EXPECT_THROW(mine.merge(other.try_acquire().value()), eddy::misuse);
    EXPECT_EQ(mine.num_permits(), 1u);
    EXPECT_EQ(other.available_permits(), 1u);
}

TEST(SyncSemaphore, OwnedPermitsKeepTheSemaphoreAlive) {
    auto shared = std::make_shared<semaphore>(2);
    const std::weak_ptr<semaphore> seen = shared;
    by_hand acquires(semaphore::acquire_owned(shared, 2));
    std::optional<semaphore::owned_permit> held = permit_of(acquires);
    acquires.drop();
    shared.reset();
    EXPECT_FALSE(seen.expired());
    auto part = held->split(1);
    held.reset();
    EXPECT_EQ(seen.lock()->available_permits(), 1u);
    part.reset();
    EXPECT_TRUE(seen.expired());
    EXPECT_THROW(static_cast<void>(semaphore::acquire_owned(nullptr)), eddy::misuse);
}

TEST(SyncSemaphore, WaitingOwnedFutureKeepsTheSemaphoreAlive) {
    auto shared = std::make_shared<semaphore>(0);
    const std::weak_ptr<semaphore> seen = shared;
    {
        by_hand acquires(semaphore::acquire_owned(shared));
        assert_pending(acquires.poll());
        EXPECT_EQ(semaphore::try_acquire_owned(shared).error(), try_acquire_error::no_permits);
        shared.reset();
        seen.lock()->add_permits(1);
        const auto held = permit_of(acquires);
    }
    EXPECT_TRUE(seen.expired());
}

TEST(SyncSemaphore, AcquireOfZeroPermitsIsAlwaysReady) {
    semaphore permits(0);
    by_hand waits(permits.acquire());
    assert_pending(waits.poll());
    by_hand none(permits.acquire(0));
    EXPECT_EQ(permit_of(none).num_permits(), 0u);
}

TEST(SyncSemaphore, OneReleaseWakesMoreThanABatchOfWaiters) {
    constexpr std::size_t count = 100;
    semaphore permits(0);
    std::list<by_hand<semaphore::acquire_future>> waiting;
    for (std::size_t i = 0; i < count; ++i) assert_pending(waiting.emplace_back(permits.acquire()).poll());
    permits.add_permits(count);
    for (auto& one : waiting) EXPECT_EQ(one.wakes(), 1u);
    waiting.clear();
    EXPECT_EQ(permits.available_permits(), count);

    for (std::size_t i = 0; i < count; ++i) assert_pending(waiting.emplace_back(permits.acquire(count + 1)).poll());
    permits.close();
    for (auto& one : waiting) EXPECT_FALSE(assert_ready(one.poll()).has_value());
}

TEST(SyncSemaphore, DroppedRequestLetsMoreThanABatchThrough) {
    constexpr std::size_t count = 100;
    semaphore permits(count);
    by_hand large(permits.acquire(count + 1));
    assert_pending(large.poll());
    std::list<by_hand<semaphore::acquire_future>> waiting;
    for (std::size_t i = 0; i < count; ++i) assert_pending(waiting.emplace_back(permits.acquire()).poll());
    large.drop();
    for (auto& one : waiting) EXPECT_EQ(one.wakes(), 1u);
}

TEST(SyncSemaphore, WakerCallbacksMayUseTheSemaphore) {
    semaphore permits(0);
    support::calling_waker back([&] { static_cast<void>(permits.forget_permits(0)); });  // takes the lock
    {
        auto waits = permits.acquire();
        assert_pending(support::poll_with(waits, back.waker_that_always_calls()));
        auto other = permits.acquire();
        assert_pending(support::poll_with(other, back.waker_that_always_calls()));
        assert_pending(support::poll_with(other, eddy::waker::noop()));
        permits.add_permits(1);
    }
    EXPECT_EQ(permits.available_permits(), 1u);
}

TEST(SyncSemaphore, PollChargesCoopBudgetOnlyWhenReady) {
    semaphore permits(1);
    by_hand first(permits.acquire());
    assert_pending(first.poll(0));
    EXPECT_TRUE(first.is_woken());
    const auto held = assert_ready(first.poll(1)).value();
    auto waits = permits.acquire();
    const auto noop = eddy::waker::noop();
    eddy::context cx(noop, 1);
    assert_pending(waits.poll(cx));
    EXPECT_EQ(cx.budget(), 1u);
}

TEST(SyncSemaphore, TryConvertsAcquireErrorToErrorCode) {
    semaphore permits(0);
    permits.close();
    auto acquire = [&]() -> eddy::task<eddy::result<void>> {
        const auto permit = co_await eddy::try_(permits.acquire());
        co_return {};
    };
    EXPECT_EQ(eddy::wait(acquire()).error(), eddy::errc::semaphore_closed);
}

TEST(SyncSemaphore, SelectLoserLeavesTheQueue) {
    semaphore permits(0);
    auto [tx, rx] = eddy::sync::oneshot<>::channel();
    by_hand either(eddy::select(permits.acquire(), std::move(rx)));
    assert_pending(either.poll());
    static_cast<void>(tx.send());
    EXPECT_EQ(assert_ready(either.poll()).index(), 1u);
    permits.add_permits(1);
    EXPECT_EQ(permits.available_permits(), 1u);
}

TEST(SyncSemaphoreDeathTest, DestructionWithWaitersTerminates) {
    EXPECT_DEATH(
        {
            auto permits = std::make_unique<semaphore>(0);
            by_hand waits(permits->acquire());
            static_cast<void>(waits.poll());
            permits.reset();
        },
        "outlive");
}

// ---- Against a model ----

/// What a semaphore is to do, in the simplest way.
class semaphore_model {
public:
    struct request {
        std::size_t needed;
        bool is_granted = false;
    };

    explicit semaphore_model(std::size_t free) : free_(free) {}

    /// Whether it is granted at once; else it waits.
    bool acquire(request& one) {
        if (!is_open_to(one.needed)) {
            line_.push_back(&one);
            return false;
        }
        free_ -= one.needed;
        one.is_granted = true;
        return true;
    }
    bool try_acquire(std::size_t count) {
        if (!is_open_to(count)) return false;
        free_ -= count;
        return true;
    }
    void release(std::size_t count) {
        free_ += count;
        serve();
    }
    void leave(request& one) {
        if (one.is_granted) return release(one.needed);
        line_.remove(&one);
        serve();
    }
    std::size_t forget(std::size_t count) {
        const auto taken = std::min(count, free_);
        free_ -= taken;
        return taken;
    }
    [[nodiscard]] std::size_t free() const { return free_; }

private:
    [[nodiscard]] bool is_open_to(std::size_t count) const { return line_.empty() && free_ >= count; }
    void serve() {
        while (!line_.empty() && line_.front()->needed <= free_) {
            free_ -= line_.front()->needed;
            line_.front()->is_granted = true;
            line_.pop_front();
        }
    }

    std::size_t free_;
    std::list<request*> line_;
};

TEST(SyncSemaphore, RandomOperationsMatchAModel) {
    struct waiting {
        semaphore_model::request request;
        by_hand<semaphore::acquire_future> hand;
    };
    std::mt19937_64 random(support::seed());
    const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
    for (int run = 0; run < 200; ++run) {
        const std::size_t at_first = below(5);
        semaphore permits(at_first);
        semaphore_model model(at_first);
        std::list<std::unique_ptr<waiting>> line;
        std::vector<semaphore::permit> held;
        for (int step = 0; step < 200; ++step) {
            const auto what = below(10);
            if (what < 4) {
                const std::size_t count = 1 + below(4);
                auto& one = line.emplace_back(new waiting{{count}, by_hand(permits.acquire(count))});
                auto answer = one->hand.poll();
                ASSERT_EQ(answer.is_ready(), model.acquire(one->request));
                if (answer.is_ready()) {
                    held.push_back(std::move(**answer));
                    line.pop_back();
                }
            } else if (what < 6 && !line.empty()) {
                const auto at = std::next(line.begin(), static_cast<std::ptrdiff_t>(below(line.size())));
                auto answer = (*at)->hand.poll();
                ASSERT_EQ(answer.is_ready(), (*at)->request.is_granted);
                if (answer.is_ready()) {
                    held.push_back(std::move(**answer));
                    line.erase(at);
                }
            } else if (what == 6 && !line.empty()) {
                const auto at = std::next(line.begin(), static_cast<std::ptrdiff_t>(below(line.size())));
                model.leave((*at)->request);
                line.erase(at);
            } else if (what == 7) {
                const std::size_t count = below(3);
                auto taken = permits.try_acquire(count);
                if (count != 0) {
                    ASSERT_EQ(taken.has_value(), model.try_acquire(count));
                }
                if (taken) held.push_back(std::move(*taken));
            } else if (what == 8 && !held.empty()) {
                const auto at = below(held.size());
                std::swap(held[at], held.back());
                if (auto part = held.back().split(1)) {
                    model.release(part->num_permits());
                } else {
                    held.pop_back();
                }
            } else if (what == 9) {
                if (below(2) == 0) {
                    permits.add_permits(1);
                    model.release(1);
                } else {
                    ASSERT_EQ(permits.forget_permits(1), model.forget(1));
                }
            }
            ASSERT_EQ(permits.available_permits(), model.free());
            for (const auto& one : line) ASSERT_EQ(one->hand.is_woken(), one->request.is_granted);
        }
    }
}

// ---- Many threads ----

TEST(SyncSemaphoreStress, ThreadsNeverHoldTooManyPermitsWithoutRuntime) {
    constexpr std::size_t all = 5;
    semaphore permits(all);
    std::atomic<std::size_t> out{0};
    const auto rounds = support::rounds(400'000);
    const auto seed = support::seed();
    std::vector<std::thread> threads;
    for (unsigned id = 0; id < 4; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937_64 random(seed + id);
            for (std::uint64_t round = 0; round < rounds; ++round) {
                const std::size_t count = 1 + random() % all;
                switch (random() % 3) {
                case 0: {  // polled once, and dropped wherever it is then
                    by_hand hand(permits.acquire(count));
                    const auto answer = hand.poll();
                    break;
                }
                case 1: {
                    auto permit = permits.try_acquire(count);
                    if (!permit) break;
                    EXPECT_LE(out.fetch_add(count) + count, all);
                    out.fetch_sub(count);
                    break;
                }
                default: {
                    auto permit = permits.blocking_acquire(count);
                    EXPECT_LE(out.fetch_add(count) + count, all);
                    out.fetch_sub(count);
                    break;
                }
                }
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(permits.available_permits(), all);
}

TEST(SyncSemaphoreStress, CloseEndsBlockedThreads) {
    const auto rounds = support::rounds(20'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        semaphore permits(1);
        std::thread other([&] {
            while (permits.blocking_acquire()) continue;
        });
        {
            const auto held = permits.blocking_acquire();
            EXPECT_TRUE(held.has_value());
        }
        permits.close();
        other.join();
        EXPECT_EQ(permits.available_permits(), 1u);
    }
}

}  // namespace
