// SPDX-License-Identifier: MIT
// Tasks of the work-stealing runtime: spawning, aborting, polling and waking.
// covers: P001
// runs: small queue
#include <eddy/runtime/runtime.hpp>

#include <gtest/gtest.h>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/ready.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/handle.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/sleep.hpp>

#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"
#include "support/runtime/thread_clock.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::sync::oneshot;
using std::chrono::steady_clock;
using support::hold;
using support::last_words;
using support::nothing;
using support::number;

class RuntimeSpawn : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeSpawn);

/// A future that other threads wake. The future is ready after a call of end().
class by_others {
public:
    [[nodiscard]] auto future() {
        return eddy::poll_fn([this](eddy::context& cx) -> eddy::poll_result<void> {
            if (is_over_) return eddy::poll_result<void>::ready();
            {
                const std::lock_guard guard(lock_);
                waker_ = cx.waker();
            }
            if (++is_inside_ != 1) was_inside_twice_ = true;
            polls_.add();
            --is_inside_;
            return eddy::not_ready;
        });
    }
    [[nodiscard]] eddy::waker waker() const {
        const std::lock_guard guard(lock_);
        return waker_;
    }
    [[nodiscard]] const support::tally& polls() const noexcept { return polls_; }
    [[nodiscard]] bool was_polled_twice_at_a_time() const noexcept { return was_inside_twice_; }
    void end() {
        is_over_ = true;
        waker().wake_by_ref();
    }

private:
    mutable std::mutex lock_;
    eddy::waker waker_;
    support::tally polls_;
    std::atomic<int> is_inside_ = 0;
    std::atomic<bool> was_inside_twice_ = false;
    std::atomic<bool> is_over_ = false;
};

// ---- Spawning ----

/// A future whose alignment exceeds that of the blocks of the frame pool.
struct alignas(64) wide {
    using output_type = bool;
    wide() noexcept {}  // NOLINT(modernize-use-equals-default)
    eddy::poll_result<bool> poll(eddy::context&) { return reinterpret_cast<std::uintptr_t>(this) % 64 == 0; }
};

TEST_P(RuntimeSpawn, OverAlignedWorkKeepsItsAlignment) {
    const auto rt = make();
    EXPECT_TRUE(eddy::wait(rt.spawn(wide())).value());
}

TEST_P(RuntimeSpawn, SpawnOutsideTaskRunsOnWorker) {
    const auto rt = make();
    std::thread::id where;
    EXPECT_TRUE(eddy::wait(rt.spawn([&] { where = std::this_thread::get_id(); })).has_value());
    EXPECT_NE(where, std::this_thread::get_id());
    EXPECT_NE(where, std::thread::id());
}

TEST_P(RuntimeSpawn, AcceptsFuturesAndCallables) {
    const auto rt = make();
    EXPECT_EQ(eddy::wait(rt.spawn(number(1))).value(), 1);
    EXPECT_EQ(eddy::wait(rt.spawn([] { return number(2); })).value(), 2);
    EXPECT_EQ(eddy::wait(rt.spawn([] { return 3; })).value(), 3);
    EXPECT_EQ(*eddy::wait(rt.spawn([] { return std::make_unique<int>(4); })).value(), 4);
    EXPECT_EQ(eddy::wait(rt.spawn(eddy::ready(std::string("5")))).value(), "5");
    EXPECT_TRUE(eddy::wait(rt.spawn(eddy::yield_now())).has_value());
}

TEST_P(RuntimeSpawn, WorksInTaskInBlockingWorkAndInEnteredThread) {
    const auto rt = make();
    const auto from_task = rt.block_on([]() -> eddy::task<int> {
        auto child = eddy::spawn(number(10));
        co_return (co_await child).value();
    }());
    EXPECT_EQ(from_task, 10);
    const auto from_job = rt.block_on([]() -> eddy::task<int> {
        auto job = eddy::spawn_blocking([] { return eddy::wait(eddy::spawn(number(20))).value(); });
        co_return (co_await job).value();
    }());
    EXPECT_EQ(from_job, 20);
    const auto entered = rt.enter();
    EXPECT_EQ(eddy::wait(eddy::spawn(number(30))).value(), 30);
}

TEST_P(RuntimeSpawn, ThousandTasksSpawnedFromOutsideEnd) {
    const auto rt = make();
    constexpr int count = 1000;
    support::tally ended;
    for (int i = 0; i < count; ++i) rt.spawn([&] { ended.add(); });
    EXPECT_TRUE(ended.wait_for(count));
}

TEST_P(RuntimeSpawn, TasksSpawnedInsideTaskSendTheirValues) {
    const auto rt = make();
    constexpr int count = 200;
    const auto sum = rt.block_on([]() -> eddy::task<int> {
        std::vector<oneshot<int>::receiver> receivers;
        for (int i = 0; i < count; ++i) {
            auto [tx, rx] = oneshot<int>::channel();
            receivers.push_back(std::move(rx));
            eddy::spawn([i, to = std::move(tx)]() mutable -> eddy::task<void> {
                co_await eddy::yield_now();
                static_cast<void>(to.send(i));
            });
        }
        int all = 0;
        for (auto& each : receivers) all += (co_await each).value();
        co_return all;
    }());
    EXPECT_EQ(sum, count * (count - 1) / 2);
}

TEST_P(RuntimeSpawn, TreeOfTasksIsJoined) {
    const auto rt = make();
    const std::function<eddy::task<int>(int)> grow = [&grow](int depth) -> eddy::task<int> {
        if (depth == 0) co_return 1;
        auto left = eddy::spawn(grow(depth - 1));
        auto right = eddy::spawn(grow(depth - 1));
        const int sum = (co_await left).value();
        co_return sum + (co_await right).value();
    };
    EXPECT_EQ(rt.block_on(grow(10)), 1024);
}

TEST_P(RuntimeSpawn, DetachedTaskRunsWithoutBlockOn) {
    const auto rt = make();
    support::gate ended;
    rt.block_on([](support::gate& at_end) -> eddy::task<void> {
        eddy::spawn([&at_end]() -> eddy::task<void> {
            co_await eddy::time::sleep(5ms);
            at_end.open();
        });
        co_return;
    }(ended));
    EXPECT_TRUE(ended.wait());
}

TEST_P(RuntimeSpawn, TaskIdsAreUniqueAndVisibleInside) {
    const auto rt = make();
    EXPECT_EQ(eddy::current_task_id(), std::nullopt);
    std::set<eddy::task_id> seen;
    for (int i = 0; i < 2000; ++i) {
        auto task = rt.spawn([] { return eddy::current_task_id(); });
        const auto id = task.id();
        EXPECT_EQ(eddy::wait(task).value(), id);
        EXPECT_NE(id, 0u);
        EXPECT_TRUE(seen.insert(id).second);
    }
}

TEST_P(RuntimeSpawn, FutureIsDestroyedBeforeJoinReturns) {
    const auto rt = make();
    for (int i = 0; i < 100; ++i) {
        const auto alive = std::make_shared<int>(1);
        EXPECT_TRUE(eddy::wait(rt.spawn([alive]() -> eddy::task<void> {
                        const auto inside = alive;
                        co_await eddy::yield_now();
                    })).has_value());
        ASSERT_EQ(alive.use_count(), 1);
    }
}

// ---- Abort ----

// covers: R036
TEST_P(RuntimeSpawn, AbortOfDetachedTaskDestroysIt) {
    const auto rt = make();
    for (int i = 0; i < 50; ++i) {
        const auto alive = std::make_shared<int>(1);
        auto task = rt.spawn(hold(alive));
        const auto aborts = task.abort_handle();
        task.detach();
        aborts.abort();
        EXPECT_TRUE(support::comes_true([&] { return alive.use_count() == 1; }));
        EXPECT_TRUE(support::comes_true([&] { return aborts.is_finished(); }));
    }
}

TEST_P(RuntimeSpawn, AbortWorksBeforeDuringAndAfterPolls) {
    const auto rt = make();
    std::atomic<int> ran = 0;
    std::atomic<int> destroyed = 0;
    support::gate begun;
    std::atomic<bool> go_on = false;
    std::vector<eddy::join_handle<void>> held_up;
    support::tally held;
    for (unsigned i = 0; i < workers(); ++i) {
        held_up.push_back(rt.spawn([&, words = last_words([&] { ++destroyed; })]() -> eddy::task<void> {
            held.add();
            support::spin_until([&] { return go_on.load(); });
            co_await eddy::pending<void>();
        }));
    }
    ASSERT_TRUE(held.wait_for(workers()));
    auto unbegun = rt.spawn([&, words = last_words([&] { ++destroyed; })] { ++ran; });
    unbegun.abort();
    for (auto& each : held_up) each.abort();
    go_on = true;
    EXPECT_TRUE(eddy::wait(unbegun).error().is_cancelled());
    for (auto& each : held_up) EXPECT_TRUE(eddy::wait(each).error().is_cancelled());
    EXPECT_EQ(ran, 0);
    EXPECT_EQ(destroyed, static_cast<int>(workers()) + 1);
    auto ended = rt.spawn(number(7));
    EXPECT_TRUE(support::comes_true([&] { return ended.is_finished(); }));
    ended.abort();
    EXPECT_EQ(eddy::wait(ended).value(), 7);
}

// ---- When a task is polled ----

// covers: S07
TEST_P(RuntimeSpawn, TaskIsPolledAtStartAndAfterWakeOnly) {
    const auto rt = make();
    by_others source;
    auto task = rt.spawn(source.future());
    ASSERT_TRUE(source.polls().wait_for(1));
    // Other tasks run and end meanwhile.
    for (int i = 0; i < 200; ++i) rt.block_on(number(i));
    EXPECT_EQ(source.polls().count(), 1u);
    const auto before = rt.metrics().polls();
    source.end();
    EXPECT_TRUE(eddy::wait(task).has_value());
    EXPECT_EQ(source.polls().count(), 1u);
    EXPECT_EQ(rt.metrics().polls(), before + 1) << "only the second poll";
}

// covers: S07
TEST_P(RuntimeSpawn, TaskWaitingForSocketIsPolledTwice) {
    const auto rt = make();
    support::connection pair;
    std::atomic<int> polls = 0;
    support::gate waits;
    std::array<std::byte, 4> into{};
    auto read = pair.stream.read(into);
    auto task = rt.spawn(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<std::size_t> {
        ++polls;
        auto answer = read.poll(cx);
        waits.open();
        if (!answer) return eddy::not_ready;
        return answer->value();
    }));
    ASSERT_TRUE(waits.wait());
    // The watchdog worker parks without a time limit after a while; then no worker runs.
    const auto parks = [&] { return rt.metrics().parks(); };
    auto last = parks();
    auto since = steady_clock::now();
    EXPECT_TRUE(support::comes_true([&] {
        if (parks() != last) {
            last = parks();
            since = steady_clock::now();
        }
        return steady_clock::now() - since > 200ms;
    }));
    EXPECT_EQ(polls, 1);
    pair.peer.send("done");
    EXPECT_EQ(eddy::wait(task).value(), 4u);
    EXPECT_EQ(polls, 2);
}

#ifndef __APPLE__  // it has no clocks of threads for clock_gettime(2)

/// The processor time that the worker threads of a runtime have used.
class worker_clocks {
public:
    /// Returns a runtime whose workers register their clocks here. This object must outlive the runtime. Call used()
    /// only while the runtime exists.
    [[nodiscard]] eddy::runtime make_runtime(unsigned workers) {
        const auto add = [this] {
            const auto clock = support::thread_clock::of_this_thread();
            ASSERT_TRUE(clock.has_value());
            const std::lock_guard guard(lock_);
            clocks_.push_back(*clock);
        };
        return eddy::runtime::builder().worker_threads(workers).on_thread_start(add).build().value();
    }
    [[nodiscard]] std::size_t count() const {
        const std::lock_guard guard(lock_);
        return clocks_.size();
    }
    [[nodiscard]] std::chrono::nanoseconds used() const {
        const std::lock_guard guard(lock_);
        std::chrono::nanoseconds sum{};
        for (const auto& clock : clocks_) sum += clock.used().value();
        return sum;
    }

private:
    mutable std::mutex lock_;
    std::vector<support::thread_clock> clocks_;
};

// covers: S16
TEST_P(RuntimeSpawn, IdlePoolUsesNoProcessorTime) {
    worker_clocks clocks;
    const auto rt = clocks.make_runtime(workers());
    for (int i = 0; i < 100; ++i) rt.spawn(number(i));
    rt.wait_until_idle();
    ASSERT_TRUE(support::comes_true([&] { return clocks.count() == workers(); }));
    // A watchdog worker stays active for 100 ms after the last task. On a busy machine it takes longer until all
    // workers have parked. Therefore the test waits for one interval without activity. Workers that spin or wake up
    // repeatedly have no such interval.
    constexpr std::chrono::nanoseconds interval = 300ms;
    std::uint64_t parks = 0;
    std::chrono::nanoseconds used{};
    for (int attempt = 0; attempt < 50; ++attempt) {
        const auto parks_before = rt.metrics().parks();
        const auto used_before = clocks.used();
        std::this_thread::sleep_for(interval);
        parks = rt.metrics().parks() - parks_before;
        used = clocks.used() - used_before;
        if (parks == 0 && used < interval / 300) return;
    }
    ADD_FAILURE() << "in each interval of 300 ms the idle workers were active: in the last one they parked " << parks
                  << " times and used " << std::chrono::duration_cast<std::chrono::microseconds>(used).count()
                  << " us of processor time";
}

#endif

// covers: S08
TEST_P(RuntimeSpawn, WakesFromEightThreadsResumeOnce) {
    const auto rt = make();
    std::atomic<bool> go_on = false;
    support::tally held;
    by_others source;
    auto task = rt.spawn(source.future());
    ASSERT_TRUE(source.polls().wait_for(1));
    // All workers are busy, so that all wakes arrive before the next poll.
    for (unsigned i = 0; i < workers(); ++i) {
        rt.spawn([&] {
            held.add();
            support::spin_until([&] { return go_on.load(); });
        });
    }
    ASSERT_TRUE(held.wait_for(workers()));
    {
        const auto waker = source.waker();
        const support::threads all(8, [waker](unsigned) { waker.wake_by_ref(); });
    }
    EXPECT_EQ(source.polls().count(), 1u);
    go_on = true;
    ASSERT_TRUE(source.polls().wait_for(2));
    rt.block_on(number(0));
    EXPECT_EQ(source.polls().count(), 2u);
    source.end();
    EXPECT_TRUE(eddy::wait(task).has_value());
    rt.wait_until_idle();
}

// covers: S08
TEST_P(RuntimeSpawn, WokenTaskContinuesOnWorkerNotOnWakingThread) {
    const auto rt = make();
    auto [tx, rx] = oneshot<>::channel();
    support::thread_set where;
    auto task = rt.spawn([&, from = std::move(rx)]() mutable -> eddy::task<void> {
        where.add();
        static_cast<void>(co_await from);
        where.add();
    });
    EXPECT_TRUE(support::comes_true([&] { return where.size() == 1; }));
    std::thread::id waker;
    std::thread([&] {
        waker = std::this_thread::get_id();
        static_cast<void>(tx.send());
    }).join();
    EXPECT_TRUE(eddy::wait(task).has_value());
    EXPECT_FALSE(where.has(waker));
    EXPECT_FALSE(where.has(std::this_thread::get_id()));
}

// covers: R040
TEST_P(RuntimeSpawn, WakeDuringPollLeadsToAnotherPoll) {
    const auto rt = make();
    std::atomic<int> polls = 0;
    auto task = rt.spawn(eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<void> {
        if (++polls == 1000) return eddy::poll_result<void>::ready();
        if (polls % 2 == 0) {
            cx.waker().wake_by_ref();
        } else {
            // Wakes from another thread, during the poll.
            std::thread([waker = cx.waker()]() mutable { std::move(waker).wake(); }).join();
        }
        return eddy::not_ready;
    }));
    EXPECT_TRUE(eddy::wait(task).has_value());
    EXPECT_EQ(polls, 1000);
}

// covers: R039
TEST_P(RuntimeSpawn, WakesOfEndedTaskDoNothing) {
    const auto rt = make();
    by_others source;
    auto task = rt.spawn(source.future());
    ASSERT_TRUE(source.polls().wait_for(1));
    const auto kept = source.waker();
    source.end();
    EXPECT_TRUE(eddy::wait(std::move(task)).has_value());
    const auto polls = rt.metrics().polls();
    {
        const support::threads all(2, [kept](unsigned) {
            for (int i = 0; i < 1000; ++i) kept.wake_by_ref();
        });
    }
    rt.block_on(nothing());
    EXPECT_EQ(rt.metrics().polls(), polls + 1);
}

// covers: R028
TEST_P(RuntimeSpawn, ThreadLocalDestructorMayWakeTask) {
    struct wakes_at_the_end {
        eddy::waker waker;
        ~wakes_at_the_end() { waker.wake_by_ref(); }
    };
    const auto rt = make();
    by_others source;
    auto task = rt.spawn(source.future());
    ASSERT_TRUE(source.polls().wait_for(1));
    std::thread([&] {
        thread_local wakes_at_the_end last;
        last.waker = source.waker();
        rt.block_on(nothing());  // makes the library create its thread-local objects on this thread
    }).join();
    EXPECT_TRUE(source.polls().wait_for(2));
    source.end();
    EXPECT_TRUE(eddy::wait(task).has_value());
}

// covers: R028
TEST_P(RuntimeSpawn, ThreadLocalDestructorOfWorkerMayWakeTasks) {
    static std::atomic<int> woken = 0;
    struct wakes_at_the_end {
        eddy::waker waker;
        ~wakes_at_the_end() {
            waker.wake_by_ref();
            ++woken;
        }
    };
    woken = 0;
    const auto stays = make();
    by_others source;
    auto task = stays.spawn(source.future());
    ASSERT_TRUE(source.polls().wait_for(1));
    {
        by_others own;
        const auto goes = make();
        goes.spawn(own.future()).detach();
        ASSERT_TRUE(own.polls().wait_for(1));
        goes.block_on([&]() -> eddy::task<void> {
            thread_local wakes_at_the_end others;
            thread_local wakes_at_the_end mine;
            others.waker = source.waker();
            mine.waker = own.waker();
            co_return;
        }());
    }
    EXPECT_EQ(woken, 2);
    EXPECT_TRUE(source.polls().wait_for(2));
    source.end();
    EXPECT_TRUE(eddy::wait(task).has_value());
}

}  // namespace
