// SPDX-License-Identifier: MIT
// Races of the work-stealing runtime between spawning, waking, aborting, stealing and parking.
// covers: P001
// runs: small queue
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/runtime.hpp"
#include "support/stress.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::sync::oneshot;
using support::hold;
using support::last_words;
using support::number;

class RuntimeStress : public support::on_workers {
protected:
    /// Returns a separate random generator for each test and for each thread of a test.
    [[nodiscard]] static std::mt19937_64 random(unsigned which = 0) { return std::mt19937_64(support::seed() + which); }
};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeStress);

/// Busy-waits for `steps` iterations.
void dawdle(std::uint64_t steps) {
    // The fence orders nothing here. It keeps the compiler from removing the loop.
    for (std::uint64_t i = 0; i < steps; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
}

// ---- Parking and waking ----

// covers: R029
TEST_P(RuntimeStress, SpawnFromOutsideWakesParkingWorker) {
    // The workers have no other work. So each spawn finds a worker that is parked, awake, or about to park.
    const support::watchdog limit("a worker parked with work in the queue", 50s);
    support::handover_rounds left(500'000);
    const auto rt = make();
    auto random = this->random();
    for (std::uint64_t round = 0; left.next(); ++round) {
        const auto began = std::chrono::steady_clock::now();
        std::atomic<bool> ran = false;
        rt.spawn([&] { ran = true; }).detach();
        while (!ran) {
            if (round % 2 == 0) std::this_thread::yield();
            ASSERT_LT(std::chrono::steady_clock::now() - began, 10s) << "round " << round;
        }
        // After this random delay the worker searches for work, is about to announce that it parks, or has parked.
        dawdle(random() % 3000);
    }
    rt.wait_until_idle();
}

// covers: R029
TEST_P(RuntimeStress, RepeatedBlockOnReturns) {
    const support::watchdog limit("block_on was not woken", 50s);
    support::handover_rounds left(250'000);
    const auto rt = make();
    for (std::uint64_t round = 0; left.next(); ++round) {
        ASSERT_EQ(rt.block_on(number(static_cast<int>(round))), static_cast<int>(round));
    }
}

// covers: R029
TEST_P(RuntimeStress, WakeFromOutsideWakesParkingWorker) {
    const support::watchdog limit("a wake-up was lost", 50s);
    support::handover_rounds left(250'000);
    const auto rt = make();
    // Each poll of the task stores the waker of the task, and another thread wakes the task immediately.
    std::atomic<std::uint64_t> polls = 0;
    std::atomic<bool> is_over = false;
    std::mutex lock;
    eddy::waker next;
    auto task = rt.spawn(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
        {
            const std::lock_guard guard(lock);
            next = cx.waker();
        }
        const bool was_last = is_over;
        ++polls;
        if (was_last) return eddy::poll_result<void>::ready();
        return eddy::not_ready;
    }));
    auto random = this->random();
    while (!task.is_finished()) {
        if (!is_over && !left.next()) is_over = true;
        const auto before = polls.load();
        eddy::waker mine;
        {
            const std::lock_guard guard(lock);
            mine = std::move(next);
        }
        if (mine.is_noop()) continue;
        std::move(mine).wake();
        const auto began = std::chrono::steady_clock::now();
        while (polls == before && !task.is_finished()) {
            ASSERT_LT(std::chrono::steady_clock::now() - began, 10s) << "after " << before << " polls";
            if (before % 3 == 0) std::this_thread::yield();
        }
        dawdle(random() % 2000);
    }
    EXPECT_TRUE(eddy::wait(task).has_value());
}

// covers: R029
TEST_P(RuntimeStress, WorkersThatParkOftenPassOnWork) {
    const support::watchdog limit("a chain of tasks stopped", 50s);
    const auto rounds = support::rounds(20'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const int sum = rt.block_on([]() -> eddy::task<int> {
            std::vector<eddy::join_handle<int>> all;
            for (int i = 0; i < 6; ++i) all.push_back(eddy::spawn(number(i)));
            int total = 0;
            for (auto& each : all) total += (co_await each).value();
            co_return total;
        }());
        ASSERT_EQ(sum, 15);
    }
}

TEST_P(RuntimeStress, TimersSetOnOneWorkerAreCancelledOnAnother) {
    const support::watchdog limit("a timer was lost", 50s);
    const auto rounds = support::rounds(1'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::vector<eddy::join_handle<int>> all;
        for (int i = 0; i < 40; ++i) {
            all.push_back(rt.spawn([i]() -> eddy::task<int> {
                for (int k = 0; k < 3; ++k) co_await eddy::time::sleep(std::chrono::microseconds(50 * (i % 7)));
                co_return i;
            }));
        }
        for (std::size_t i = 0; i < all.size(); i += 3) all[i].abort();
        for (std::size_t i = 0; i < all.size(); ++i) {
            const auto ended = eddy::wait(all[i]);
            const bool is_cancelled = !ended && ended.error().is_cancelled();
            ASSERT_TRUE(is_cancelled ? i % 3 == 0 : ended.value() == static_cast<int>(i));
        }
    }
}

// ---- Spawning ----

TEST_P(RuntimeStress, SpawnsFromManyThreadsAllRun) {
    const auto each = support::rounds(100'000);
    std::atomic<std::uint64_t> ran = 0;
    std::atomic<int> alive = 0;
    {
        const auto rt = make();
        {
            const support::threads all(4, [&](unsigned) {
                for (std::uint64_t i = 0; i < each; ++i) {
                    ++alive;
                    rt.spawn([&, words = last_words([&] { --alive; })] { ++ran; }).detach();
                }
            });
        }
        rt.wait_until_idle();
        EXPECT_EQ(ran, 4 * each);
        EXPECT_EQ(alive, 0);
        EXPECT_EQ(rt.metrics().alive_tasks, 0u);
        EXPECT_EQ(rt.metrics().spawned_tasks, 4 * each);
    }
}

TEST_P(RuntimeStress, SpawnsFromTaskOverflowRunQueueAndAllRun) {
    const auto rounds = support::rounds(2'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::atomic<int> ran = 0;
        auto storm = rt.spawn([&] {
            for (int i = 0; i < 600; ++i) eddy::spawn([&] { ++ran; }).detach();
        });
        rt.wait_until_idle();
        ASSERT_EQ(ran, 600);
        ASSERT_TRUE(storm.is_finished());
    }
    EXPECT_GT(rt.metrics().overflows(), 0u);
}

TEST_P(RuntimeStress, StealRacesWithRunQueueOverflow) {
    // Producers fill their run queues faster than they empty them, and yield, so that the other workers steal.
    const auto rounds = support::rounds(1'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::atomic<int> ran = 0;
        std::vector<eddy::join_handle<void>> producers;
        for (unsigned p = 0; p < workers() + 1; ++p) {
            producers.push_back(rt.spawn([&]() -> eddy::task<void> {
                for (int burst = 0; burst < 10; ++burst) {
                    for (int i = 0; i < 50; ++i) {
                        eddy::spawn([&]() -> eddy::task<void> {
                            co_await eddy::yield_now();
                            ++ran;
                        }).detach();
                    }
                    co_await eddy::yield_now();
                }
            }));
        }
        for (auto& each : producers) ASSERT_TRUE(eddy::wait(each).has_value());
        rt.wait_until_idle();
        ASSERT_EQ(ran, 500 * static_cast<int>(workers() + 1));
    }
}

TEST_P(RuntimeStress, TreesOfTasksAreJoined) {
    const auto rounds = support::rounds(1'000);
    const auto rt = make();
    const std::function<eddy::task<int>(int)> grow = [&grow](int depth) -> eddy::task<int> {
        if (depth == 0) co_return 1;
        auto left = eddy::spawn(grow(depth - 1));
        const int right = co_await grow(depth - 1);
        co_return (co_await left).value() + right;
    };
    for (std::uint64_t round = 0; round < rounds; ++round) ASSERT_EQ(rt.block_on(grow(7)), 128);
}

TEST_P(RuntimeStress, ChainOfTasksPassesWakeToEnd) {
    const auto rounds = support::rounds(500);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        support::gate end;
        struct link {
            support::gate* end;
            int left;
            link(support::gate& at_end, int count) : end(&at_end), left(count) {}
            void operator()() const {
                if (left == 0) return end->open();
                eddy::spawn(link(*end, left - 1)).detach();
            }
        };
        rt.spawn(link(end, 200)).detach();
        ASSERT_TRUE(end.wait());
        rt.wait_until_idle();
    }
}

// ---- Waking ----

/// The state of a future that many threads wake. Records how many requested wakes a poll has seen, and whether two
/// polls overlapped.
struct many_wakers {
    std::mutex lock;
    eddy::waker waker;
    std::atomic<std::uint64_t> wanted = 0;  // the number of requested wakes
    std::atomic<std::uint64_t> seen = 0;    // the part of `wanted` that a poll has seen
    std::atomic<int> inside = 0;
    std::atomic<bool> overlapped = false;
    std::atomic<bool> is_over = false;

    [[nodiscard]] auto future() {
        return eddy::poll_fn([this](eddy::context& cx) -> eddy::poll_result<void> {
            if (inside.fetch_add(1) != 0) overlapped = true;
            {
                const std::lock_guard guard(lock);
                waker = cx.waker();
            }
            seen = wanted.load();
            inside.fetch_sub(1);
            if (is_over) return eddy::poll_result<void>::ready();
            return eddy::not_ready;
        });
    }
    void wake() {
        eddy::waker copy;
        {
            const std::lock_guard guard(lock);
            copy = waker;
        }
        copy.wake_by_ref();
    }
};

// covers: R040
TEST_P(RuntimeStress, EachWakeLeadsToPollAndPollsNeverOverlap) {
    const support::watchdog limit("a wake-up was lost", 50s);
    const auto rounds = support::rounds(100'000);
    const auto rt = make();
    many_wakers source;
    auto task = rt.spawn(source.future());
    ASSERT_TRUE(support::comes_true([&] {
        const std::lock_guard guard(source.lock);
        return !source.waker.is_noop();
    }));
    {
        const support::threads all(8, [&](unsigned) {
            for (std::uint64_t i = 0; i < rounds / 4; ++i) {
                const auto mine = ++source.wanted;
                source.wake();
                if (i % 64 == 0) {
                    ASSERT_TRUE(support::comes_true([&] { return source.seen >= mine; }));
                }
            }
        });
    }
    EXPECT_TRUE(support::comes_true([&] { return source.seen == source.wanted; }));
    source.is_over = true;
    source.wake();
    EXPECT_TRUE(eddy::wait(task).has_value());
    EXPECT_FALSE(source.overlapped);
}

// covers: R023
TEST_P(RuntimeStress, RedundantWakePublishesEarlierWrites) {
    // Two threads wake the task at the same time, once each. One of them has written a value before. The second wake is
    // redundant, and there is no further wake: the poll after both wakes must see the value.
    const support::watchdog limit("a write before a wake was not seen", 50s);
    support::handover_rounds left(100'000);
    const auto rt = make();
    std::atomic<std::uint64_t> written = 0;  // always relaxed: only the wakes may order these accesses
    std::atomic<std::uint64_t> seen = 0;
    constexpr auto last_turn = std::numeric_limits<std::uint64_t>::max();
    std::atomic<std::uint64_t> turn = 0;
    std::atomic<std::uint64_t> other_is_done = 0;
    std::atomic<bool> is_over = false;
    std::mutex lock;
    eddy::waker kept;
    support::tally begun;
    auto task = rt.spawn(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
        if (begun.count() == 0) {
            const std::lock_guard guard(lock);
            kept = cx.waker();
            begun.add();
        }
        seen.store(written.load(std::memory_order_relaxed), std::memory_order_relaxed);
        if (is_over) return eddy::poll_result<void>::ready();
        return eddy::not_ready;
    }));
    ASSERT_TRUE(begun.wait_for(1));
    const auto waker = [&] {
        const std::lock_guard guard(lock);
        return kept;
    }();
    std::thread other([&] {
        for (std::uint64_t i = 1;; ++i) {
            while (turn.load() < i) std::this_thread::yield();
            if (turn.load() == last_turn) return;
            waker.wake_by_ref();
            other_is_done = i;
        }
    });
    bool is_seen = true;
    for (std::uint64_t i = 1; left.next(); ++i) {
        turn = i;
        written.store(i, std::memory_order_relaxed);
        waker.wake_by_ref();
        is_seen = is_seen && support::comes_true([&] { return seen.load(std::memory_order_relaxed) == i; });
        while (other_is_done.load() < i) std::this_thread::yield();
    }
    turn = last_turn;
    EXPECT_TRUE(is_seen);
    other.join();
    is_over = true;
    waker.wake_by_ref();
    EXPECT_TRUE(eddy::wait(task).has_value());
}

TEST_P(RuntimeStress, WakeRacesWithEndOfTask) {
    const auto rounds = support::rounds(50'000);
    const auto rt = make();
    std::atomic<int> alive = 0;
    for (std::uint64_t round = 0; round < rounds; ++round) {
        many_wakers source;
        ++alive;
        auto task = rt.spawn([&, words = last_words([&] { --alive; })] { return source.future(); });
        ASSERT_TRUE(support::comes_true([&] {
            const std::lock_guard guard(source.lock);
            return !source.waker.is_noop();
        }));
        const auto kept = source.waker;
        std::atomic<bool> go = false;
        std::thread waker([&] {
            while (!go) std::this_thread::yield();
            for (int i = 0; i < 10; ++i) kept.wake_by_ref();
        });
        source.is_over = true;
        go = true;
        source.wake();
        if (round % 2 == 0) {
            ASSERT_TRUE(eddy::wait(task).has_value());
        } else {
            task.detach();
        }
        waker.join();
        kept.wake_by_ref();
        ASSERT_TRUE(support::comes_true([&] { return alive == 0; }));
    }
}

TEST_P(RuntimeStress, WakeRacesWithDropOfWaker) {
    // The woken task destroys the receiver while the sender may still be in send(). The last copy of the waker may be
    // dropped during the wake.
    const auto rounds = support::rounds(50'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto [tx, rx] = oneshot<std::shared_ptr<int>>::channel();
        const auto value = std::make_shared<int>(1);
        auto task = rt.spawn([from = std::move(rx)]() mutable -> eddy::task<int> {
            auto got = co_await from;
            const oneshot<std::shared_ptr<int>>::receiver gone(std::move(from));
            co_return got ? **got : 0;
        });
        if (round % 3 == 0) task.abort();
        const bool is_taken = tx.send(value).has_value();
        const auto outcome = eddy::wait(task);
        if (outcome) {
            ASSERT_TRUE(is_taken);
            ASSERT_EQ(*outcome, 1);
        }
        ASSERT_TRUE(support::comes_true([&] { return value.use_count() == 1; }));
    }
}

TEST_P(RuntimeStress, WakingThreadMayDropLastReference) {
    const auto rounds = support::rounds(20'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        many_wakers source;
        rt.spawn(source.future()).detach();
        ASSERT_TRUE(support::comes_true([&] {
            const std::lock_guard guard(source.lock);
            return !source.waker.is_noop();
        }));
        std::vector<eddy::waker> copies(4, source.waker);
        source.is_over = true;
        {
            support::threads all(4, [&](unsigned i) { std::move(copies[i]).wake(); });
        }
        rt.wait_until_idle();
        const std::lock_guard guard(source.lock);
        source.waker = {};
    }
}

// ---- Aborting, joining, detaching ----

TEST_P(RuntimeStress, AbortRacesWithPoll) {
    const auto rounds = support::rounds(20'000);
    const auto rt = make();
    std::atomic<int> alive = 0;
    auto random = this->random();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::vector<eddy::join_handle<void>> all;
        for (int i = 0; i < 8; ++i) {
            ++alive;
            all.push_back(rt.spawn([words = last_words([&] { --alive; }), i]() -> eddy::task<void> {
                for (int k = 0; k <= i; ++k) co_await eddy::yield_now();
                if (i % 4 == 0) co_await eddy::pending<void>();
            }));
        }
        dawdle(random() % 5000);
        if (round % 2 == 0) {
            for (auto& each : all) each.abort();
        } else {
            const support::threads both(2, [&](unsigned) {
                for (auto& each : all) each.abort();
            });
        }
        for (std::size_t i = 0; i < all.size(); ++i) {
            if ((round + i) % 3 == 0) {
                all[i].detach();
            } else {
                static_cast<void>(eddy::wait(all[i]));
            }
        }
        ASSERT_TRUE(support::comes_true([&] { return alive == 0; })) << "round " << round;
    }
}

// covers: R038
TEST_P(RuntimeStress, JoinRacesWithEndAndDropOfHandle) {
    const auto rounds = support::rounds(50'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        const auto output = std::make_shared<int>(1);
        auto [tx, rx] = oneshot<>::channel();
        // GCC 12 warns if this is in a std::optional.
        auto task = std::make_unique<eddy::join_handle<std::shared_ptr<int>>>(
            rt.spawn([output, from = std::move(rx)]() mutable -> eddy::task<std::shared_ptr<int>> {
                static_cast<void>(co_await from);
                co_return output;
            }));
        // Another task awaits the handle. Every second round aborts the awaiting task while the first task ends.
        auto joiner = rt.spawn([mine = std::move(*task)]() mutable -> eddy::task<int> {
            auto got = co_await mine;
            co_return got ? **got : 0;
        });
        task.reset();
        std::thread ends([&, to = std::move(tx)]() mutable { static_cast<void>(to.send()); });
        if (round % 2 == 0) joiner.abort();
        const auto outcome = eddy::wait(joiner);
        if (outcome) {
            ASSERT_EQ(*outcome, 1);
        }
        ends.join();
        ASSERT_TRUE(support::comes_true([&] { return output.use_count() == 1; })) << "round " << round;
    }
}

TEST_P(RuntimeStress, DropOfJoinHandleRacesWithEndOfTask) {
    const auto rounds = support::rounds(50'000);
    const auto rt = make();
    auto random = this->random();
    const auto output = std::make_shared<int>(1);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto task = rt.spawn([&] { return output; });
        dawdle(random() % 2000);
        if (round % 2 == 0) task.detach();
    }
    rt.wait_until_idle();
    EXPECT_TRUE(support::comes_true([&] { return output.use_count() == 1; }));
}

TEST_P(RuntimeStress, JoinHandlePassedBetweenTasksIsWoken) {
    const auto rounds = support::rounds(20'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        auto [tx, rx] = oneshot<>::channel();
        auto task = rt.spawn([from = std::move(rx)]() mutable -> eddy::task<int> {
            static_cast<void>(co_await from);
            co_return 3;
        });
        // Polls the handle here with a no-op waker, and then moves it into another task.
        const eddy::waker noop;
        eddy::context cx(noop);
        auto early = task.poll(cx);
        ASSERT_FALSE(early.is_ready());
        auto joiner =
            rt.spawn([mine = std::move(task)]() mutable -> eddy::task<int> { co_return (co_await mine).value(); });
        static_cast<void>(tx.send());
        ASSERT_EQ(eddy::wait(joiner).value(), 3);
    }
}

// ---- block_in_place ----

TEST_P(RuntimeStress, BlockInPlaceHandoverRacesWithTakeBack) {
    const support::watchdog limit("block_in_place", 50s);
    const auto rounds = support::rounds(5'000);
    const auto rt = make();
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::vector<eddy::join_handle<int>> all;
        for (int i = 0; i < 4; ++i) {
            all.push_back(rt.spawn([i]() -> eddy::task<int> {
                auto child = eddy::spawn(number(i));
                co_await eddy::yield_now();
                int sum =
                    eddy::block_in_place([&] { return i % 2 == 0 ? 0 : eddy::wait(eddy::spawn(number(i))).value(); });
                co_await eddy::yield_now();
                sum += (co_await child).value();
                co_return sum;
            }));
        }
        int sum = 0;
        for (auto& each : all) sum += eddy::wait(each).value();
        ASSERT_EQ(sum, 6 + 4);
    }
    rt.wait_until_idle();
}

// ---- Shutting down ----

// covers: R034
TEST_P(RuntimeStress, ShutdownRacesWithSpawnsAndWakes) {
    const support::watchdog limit("a shutdown", 50s);
    const auto rounds = support::rounds(2'000);
    for (std::uint64_t round = 0; round < rounds; ++round) {
        std::atomic<int> alive = 0;
        std::atomic<unsigned> spawned = 0;
        std::optional<eddy::runtime> rt(make());
        support::threads all(8, [&, handle = rt->handle()](unsigned which) {
            auto random = this->random(which);
            std::vector<eddy::join_handle<void>> kept;
            for (int i = 0; i < 100; ++i) {
                ++alive;
                auto [tx, rx] = oneshot<>::channel();
                auto task = handle.spawn(
                    [words = last_words([&] { --alive; }), from = std::move(rx)]() mutable -> eddy::task<void> {
                        static_cast<void>(co_await from);
                        eddy::spawn([] {}).detach();
                    });
                ++spawned;
                if (random() % 2 == 0) static_cast<void>(tx.send());
                if (random() % 4 == 0) task.abort();
                if (random() % 2 == 0) kept.push_back(std::move(task));
            }
            for (auto& each : kept) {
                if (!each.is_finished() && random() % 2 == 0) each.abort();
            }
        });
        ASSERT_TRUE(support::comes_true([&] { return spawned > round % 600; }));
        rt.reset();
        all.join();
        ASSERT_TRUE(support::comes_true([&] { return alive == 0; })) << "round " << round;
    }
}

TEST_P(RuntimeStress, ManyThreadsMakeAndDropRuntimes) {
    const support::watchdog limit("making and dropping", 50s);
    const auto rounds = support::rounds(2'000);
    const support::threads all(4, [&](unsigned which) {
        for (std::uint64_t round = 0; round < rounds / 4 + 1; ++round) {
            const auto rt = make();
            ASSERT_EQ(rt.block_on(number(static_cast<int>(which))), static_cast<int>(which));
            rt.spawn(hold(0)).detach();
        }
    });
}

}  // namespace
