// SPDX-License-Identifier: MIT
// A task of an event loop and its wakers: on the thread of the loop, on other threads, and after the end of the loop.
// covers: S51
#include <eddy/task/detail/spawned_task.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/core.hpp>
#ifndef EDDY_NO_THREADS
#include <eddy/runtime/core_thread.hpp>
#endif
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/scope.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::sync::oneshot;

/// A future that stores its waker, and completes when `may_end` is set.
struct stage {
    int polls = 0;
    bool may_end = false;
    eddy::waker waker;

    auto future() {
        return eddy::poll_fn([this](eddy::context& cx) -> eddy::poll_result<void> {
            ++polls;
            waker = cx.waker();
            if (may_end) return eddy::poll_result<void>::ready();
            return eddy::not_ready;
        });
    }
};

template <class Fn>
void on_threads(int count, Fn f) {
    std::barrier start(count);
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) {
        threads.emplace_back([&] {
            start.arrive_and_wait();
            f();
        });
    }
    for (auto& thread : threads) thread.join();
}

// covers: S08
TEST(CoreTasks, WakesFromEightThreadsCauseOnePoll) {
    eddy::core loop;
    stage seen;
    loop.handle().spawn(seen.future());
    loop.turn(0ms);
    ASSERT_EQ(seen.polls, 1);
    on_threads(8, [&waker = std::as_const(seen.waker)] { eddy::waker(waker).wake(); });
    EXPECT_EQ(seen.polls, 1);
    for (int i = 0; i < 5; ++i) loop.turn(0ms);
    EXPECT_EQ(seen.polls, 2);
}

TEST(CoreTasks, LocalAndRemoteWakesCauseOnePoll) {
    eddy::core loop;
    stage seen;
    loop.handle().spawn(seen.future());
    loop.turn(0ms);
    for (int i = 0; i < 3; ++i) seen.waker.wake_by_ref();
    on_threads(2, [&waker = std::as_const(seen.waker)] { waker.wake_by_ref(); });
    loop.turn(0ms);
    for (int i = 0; i < 5; ++i) loop.turn(0ms);
    EXPECT_EQ(seen.polls, 2);
}

// covers: R039
TEST(CoreTasks, WakesOfAnEndedTaskDoNothing) {
    eddy::core loop;
    stage seen;
    loop.handle().spawn(seen.future());
    loop.turn(0ms);
    seen.may_end = true;
    seen.waker.wake_by_ref();
    loop.turn(0ms);
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
    EXPECT_EQ(seen.polls, 2);
    on_threads(2, [&waker = std::as_const(seen.waker)] {
        for (int i = 0; i < 1000; ++i) eddy::waker(waker).wake();
    });
    for (int i = 0; i < 1000; ++i) eddy::waker(seen.waker).wake();
    loop.turn(0ms);
    EXPECT_EQ(seen.polls, 2);
}

TEST(CoreTasks, WakerCopiedOnAnotherThreadOutlivesTheTask) {
    eddy::core loop;
    eddy::waker copy;
    int polls = 0;
    loop.handle().spawn(eddy::poll_fn([&](eddy::context& cx) {
        ++polls;
        std::thread([&] { copy = cx.waker(); }).join();
        return eddy::poll_result<void>::ready();
    }));
    loop.turn(0ms);
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
    copy.wake_by_ref();
    loop.turn(0ms);
    EXPECT_EQ(polls, 1);
    std::thread([last = std::move(copy)] { last.wake_by_ref(); }).join();
    loop.turn(0ms);
    EXPECT_EQ(polls, 1);
}

TEST(CoreTasks, DetachedCoroutineLeavesItsMemoryToItsWakers) {
    // The references that other threads have dropped are counted separately from those that the loop's thread has.
    enum class references : unsigned char { none, here, there, dropped_here, dropped_there };
    for (const references left :
         {references::none, references::here, references::there, references::dropped_here, references::dropped_there}) {
        eddy::core loop;
        stage seen;
        const auto work = [&]() -> eddy::task<int> {
            auto future = seen.future();
            co_await future;
            co_return 1;
        };
        loop.run(eddy::poll_fn([&](eddy::context&) {
            static_cast<void>(eddy::spawn(work));
            return eddy::poll_result<void>::ready();
        }));
        loop.turn(0ms);
        eddy::waker last;
        const auto copy_there = [&] { std::thread([&] { last = seen.waker; }).join(); };
        switch (left) {
        case references::none: break;
        case references::here: last = seen.waker; break;
        case references::there: copy_there(); break;
        case references::dropped_here:
            copy_there();
            last = eddy::waker();
            break;
        case references::dropped_there:
            last = seen.waker;
            std::thread([&] { last = eddy::waker(); }).join();
            break;
        }
        seen.may_end = true;
        std::exchange(seen.waker, eddy::waker()).wake();
        loop.turn(0ms);
        EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
        const eddy::waker copy = last;
        last.wake_by_ref();
        std::thread([mine = std::move(last)] { mine.wake_by_ref(); }).join();
        loop.turn(0ms);
        EXPECT_EQ(seen.polls, 2);
    }
}

// covers: R039
TEST(CoreTasks, TaskThatWakesItselfAndEndsIsNotPolledAgain) {
    eddy::core loop;
    int polls = 0;
    loop.handle().spawn(eddy::poll_fn([&](eddy::context& cx) {
        ++polls;
        cx.waker().wake_by_ref();
        return eddy::poll_result<void>::ready();
    }));
    loop.turn(0ms);
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
    loop.turn(0ms);
    EXPECT_EQ(polls, 1);
}

TEST(CoreTasks, PollBeginsWithoutTheCallSiteOfAnotherTask) {
    eddy::core loop;
    loop.handle().spawn([]() -> eddy::task<void> {
        co_await eddy::poll_fn([](eddy::context& cx) {
            EXPECT_NE(cx.where().line(), 0u);
            return eddy::poll_result<void>::ready();
        });
    });
    std::optional<std::uint_least32_t> line;
    loop.handle().spawn(eddy::poll_fn([&](eddy::context& cx) {
        line = cx.where().line();
        return eddy::poll_result<void>::ready();
    }));
    loop.turn(0ms);
    EXPECT_EQ(line, 0u);
}

// covers: R039
TEST(CoreTasks, MainFutureThatWakesItselfAndEndsIsPolledOnce) {
    eddy::core loop;
    int polls = 0;
    const auto main = [&] {
        return eddy::poll_fn([&](eddy::context& cx) {
            ++polls;
            cx.waker().wake_by_ref();
            return eddy::poll_result<int>(polls);
        });
    };
    for (int run = 1; run <= 10; ++run) EXPECT_EQ(loop.run(main()), run);
}

// covers: R040
TEST(CoreTasks, WakeInsideAPollCausesAnotherPoll) {
    eddy::core loop;
    int polls = 0;
    loop.run(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
        if (++polls == 100) return eddy::poll_result<void>::ready();
        if (polls % 2 == 0) {
            cx.waker().wake_by_ref();
        } else {
            std::thread([&cx] { cx.waker().wake_by_ref(); }).join();
        }
        return eddy::not_ready;
    }));
    EXPECT_EQ(polls, 100);
}

TEST(CoreTasks, WakersOutliveTheLoopAndAreDroppedOnOtherThreads) {
    std::vector<eddy::waker> kept;
    auto held = std::make_shared<int>(1);
    const std::weak_ptr<int> left = held;
    {
        eddy::core loop;
        for (int i = 0; i < 8; ++i) {
            loop.handle().spawn(eddy::poll_fn([&kept, held](eddy::context& cx) -> eddy::poll_result<void> {
                kept.push_back(cx.waker());
                return eddy::not_ready;
            }));
        }
        held.reset();
        loop.turn(0ms);
    }
    ASSERT_EQ(kept.size(), 8u);
    EXPECT_TRUE(left.expired()) << "the wakers must not keep the futures alive";
    kept.push_back(kept.front());
    std::vector<std::thread> threads;
    for (auto& waker : kept) {
        threads.emplace_back([mine = std::move(waker)]() mutable {
            const eddy::waker copy = mine;
            mine.wake_by_ref();
            std::move(mine).wake();
        });
    }
    for (auto& thread : threads) thread.join();
}

TEST(CoreTasks, WakersOutliveTheThreadOfTheLoop) {
    // A loop identifies its thread by the address of a thread-local. The next thread may get the same address.
    std::vector<eddy::waker> kept;
    int polls = 0;
    std::thread([&] {
        eddy::core loop;
        for (int i = 0; i < 3; ++i) {
            loop.handle().spawn(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
                ++polls;
                kept.push_back(cx.waker());
                return eddy::not_ready;
            }));
        }
        loop.turn(0ms);
    }).join();
    ASSERT_EQ(kept.size(), 3u);
    std::thread([&] {
        kept.push_back(kept.front());
        kept[1].wake_by_ref();
        kept.clear();
    }).join();
    EXPECT_EQ(polls, 3);
}

TEST(CoreTasks, WakersMayBeCopiedAndDroppedOnDifferentThreads) {
    eddy::core loop;
    stage seen;
    auto watched = std::make_shared<int>(1);
    const std::weak_ptr<int> watch = watched;
    loop.handle().spawn([&, watched = std::move(watched)] { return seen.future(); });
    loop.turn(0ms);
    std::vector<eddy::waker> made_here(10, seen.waker);
    std::vector<eddy::waker> made_there;
    std::thread([&] {
        made_here.clear();
        made_there.assign(10, seen.waker);
    }).join();
    made_there.resize(5);
    seen.may_end = true;
    seen.waker.wake_by_ref();
    loop.turn(0ms);
    EXPECT_TRUE(watch.expired());  // the future is destroyed although wakers remain
    made_there.clear();
    seen.waker = eddy::waker();
}

// covers: R135
TEST(CoreTasks, WorkDroppedAfterTheWakeUpDoesNotResume) {
    // The wake-up is queued, then the work is cancelled. The task sees the cancellation at its next poll and does not
    // continue.
    eddy::core loop;
    stage inner;
    bool is_cancelled = false;
    bool went_on = false;
    const auto work = [&]() -> eddy::task<void> {
        co_await inner.future();
        went_on = true;
    };
    std::optional<eddy::task<void>> running(work());
    loop.handle().spawn(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
        if (is_cancelled) running.reset();
        if (!running) return eddy::poll_result<void>::ready();
        return running->poll(cx);
    }));
    loop.turn(0ms);
    inner.may_end = true;
    inner.waker.wake_by_ref();
    is_cancelled = true;
    loop.turn(0ms);
    EXPECT_FALSE(went_on);
    EXPECT_EQ(loop.metrics().alive_tasks(), 0u);
}

eddy::task<void> nest_scopes(int depth, int& left) {
    left = depth;
    if (depth == 0) co_return;
    co_await eddy::scope([&](auto& s) -> eddy::task<void> {
        s.spawn(nest_scopes(depth - 1, left));
        co_return;
    });
}

TEST(CoreTasks, ScopeChildrenDoNotStarveQueuedTasks) {
    constexpr int depth = 1000;
    eddy::core loop;
    int left = depth;
    int left_at_the_end = -1;
    const auto yields_twice = [&]() -> eddy::task<void> {
        for (int i = 0; i < 2; ++i) co_await eddy::yield_now();
        left_at_the_end = left;
    };
    const auto main = [&]() -> eddy::task<void> {
        eddy::core_handle::current().spawn(yields_twice());
        co_await nest_scopes(depth, left);
    };
    loop.run(main());
    EXPECT_EQ(left, 0);
    EXPECT_GT(left_at_the_end, depth - 100) << "children of scopes ran before a queued task";
}

// ---- Stress ----

// covers: R040
TEST(CoreTasksStress, EveryRemoteWakeCausesALaterPoll) {
    const auto rounds = support::rounds(100'000);
    eddy::core loop;
    std::atomic<std::uint64_t> asked = 0;
    std::atomic<std::uint64_t> seen = 0;
    auto [tx, rx] = oneshot<eddy::waker>::channel();
    std::thread other([&, end = std::move(rx)]() mutable {
        const eddy::waker waker = eddy::wait(end).value();
        for (std::uint64_t i = 1; i <= rounds; ++i) {
            asked.store(i, std::memory_order_relaxed);  // relaxed: the wake must publish the value
            waker.wake_by_ref();
            while (seen.load() != i) std::this_thread::yield();
        }
    });
    bool is_first = true;
    loop.run(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
        if (std::exchange(is_first, false)) static_cast<void>(tx.send(cx.waker()));
        // relaxed: the wake-up must order this load after the store.
        const auto now = asked.load(std::memory_order_relaxed);
        seen.store(now);
        if (now == rounds) return eddy::poll_result<void>::ready();
        return eddy::not_ready;
    }));
    other.join();
    EXPECT_EQ(seen, rounds);
}

// covers: R023
TEST(CoreTasksStress, CoalescedWakesPublishTheWritesOfAllThreads) {
    // Eight threads each write and wake. Wakes coalesce, but the last poll must see every write.
    const auto rounds = support::rounds(10'000);
    constexpr int threads = 8;
    eddy::core loop;
    for (std::uint64_t round = 0; round < rounds / 10 + 1; ++round) {
        std::vector<std::atomic<int>> written(threads);
        std::vector<std::thread> wakers;
        int polls = 0;
        loop.run(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
            if (++polls == 1) {
                for (int t = 0; t < threads; ++t) {
                    wakers.emplace_back([&written, t, waker = cx.waker()]() mutable {
                        // relaxed: wake() must publish the value.
                        written[t].store(1, std::memory_order_relaxed);
                        std::move(waker).wake();
                    });
                }
            }
            int sum = 0;
            // relaxed: the wake-ups must order these loads after the stores.
            for (const auto& one : written) sum += one.load(std::memory_order_relaxed);
            if (sum == threads) return eddy::poll_result<void>::ready();
            return eddy::not_ready;
        }));
        EXPECT_LE(polls, threads + 1);
        for (auto& thread : wakers) thread.join();
    }
}

/// Passes its waker to a thread that wakes immediately, while the poll is still running.
class wakes_early {
public:
    using output_type = int;

    explicit wakes_early(std::atomic<eddy::waker*>& mailbox) noexcept : mailbox_(&mailbox) {}

    eddy::poll_result<int> poll(eddy::context& cx) {
        if (++polls_ > 1) return tail_;
        mailbox_->store(new eddy::waker(cx.waker()));
        // From here on the other thread may wake the task. No other thread may touch the future until poll() returns.
        for (int i = 0; i < 50; ++i) ++tail_;
        return eddy::not_ready;
    }

private:
    std::atomic<eddy::waker*>* mailbox_;
    int polls_ = 0;
    int tail_ = 0;
};

// covers: R132
TEST(CoreTasksStress, WakeDuringThePollIsNotLost) {
    const auto rounds = support::rounds(100'000);
    std::atomic<eddy::waker*> mailbox = nullptr;
    std::atomic<bool> is_over = false;
    std::thread other([&] {
        while (!is_over) {
            const std::unique_ptr<eddy::waker> waker(mailbox.exchange(nullptr));
            if (waker == nullptr) {
                std::this_thread::yield();
            } else {
                std::move(*waker).wake();
            }
        }
    });
    eddy::core loop;
    const auto main = [&]() -> eddy::task<std::uint64_t> {
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < rounds; ++i) sum += static_cast<std::uint64_t>(co_await wakes_early(mailbox));
        co_return sum;
    };
    EXPECT_EQ(loop.run(main()), rounds * 50);
    is_over = true;
    other.join();
}

#ifndef EDDY_NO_THREADS
// covers: R133
TEST(CoreTasksStress, CoroutineFramesEndWhileWakingThreadRuns) {
    const auto rounds = support::rounds(20'000);
    struct local {
        int& alive;
        explicit local(int& count) : alive(count) { ++alive; }
        ~local() { --alive; }
    };
    int alive = 0;
    eddy::core loop;
    const auto inner = [&](oneshot<int>::receiver rx) -> eddy::task<int> {
        const local mine(alive);
        co_return (co_await rx).value();
    };
    const auto middle = [&](oneshot<int>::receiver rx) -> eddy::task<int> {
        const local mine(alive);
        co_return co_await inner(std::move(rx)) + 1;
    };
    const auto main = [&]() -> eddy::task<std::uint64_t> {
        const eddy::core_thread helper;
        const auto remote = helper.remote();
        std::uint64_t sum = 0;
        for (std::uint64_t i = 0; i < rounds; ++i) {
            auto [tx, rx] = oneshot<int>::channel();
            remote.spawn([sender_end = std::move(tx)]() mutable { static_cast<void>(sender_end.send(1)); });
            sum += static_cast<std::uint64_t>(co_await middle(std::move(rx)));
        }
        co_return sum;
    };
    EXPECT_EQ(loop.run(main()), rounds * 2);
    EXPECT_EQ(alive, 0);
}
#endif

TEST(CoreTasksStress, WakesRaceWithTheEndOfTheTaskAndTheLoop) {
    const auto rounds = support::rounds(10'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto loop = std::make_unique<eddy::core>();
        stage seen;
        auto held = std::make_shared<int>(1);
        const std::weak_ptr<int> left = held;
        loop->handle().spawn([&seen, held = std::move(held)] { return seen.future(); });
        loop->turn(0ms);
        seen.may_end = round % 2 == 0;
        std::barrier start(4);
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&start, mine = seen.waker]() mutable {
                start.arrive_and_wait();
                const eddy::waker copy = mine;
                copy.wake_by_ref();
                std::move(mine).wake();
            });
        }
        start.arrive_and_wait();
        loop->turn(0ms);
        seen.waker = eddy::waker();
        loop.reset();
        for (auto& thread : threads) thread.join();
        EXPECT_TRUE(left.expired());
        EXPECT_GE(seen.polls, 1);
        EXPECT_LE(seen.polls, 2);
    }
}

}  // namespace
