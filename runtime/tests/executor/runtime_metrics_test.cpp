// SPDX-License-Identifier: MIT
// The metrics of a runtime.
#include <eddy/runtime/runtime_metrics.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future/yield_now.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/spawn_blocking.hpp>
#include <eddy/task/task.hpp>

#include "support/gate.hpp"
#include "support/runtime.hpp"
#include "support/system.hpp"

namespace {

using namespace std::chrono_literals;
using support::hold;
using support::nothing;
using support::number;

class RuntimeMetrics : public support::on_workers {};
EDDY_ON_1_2_AND_4_WORKERS(RuntimeMetrics);

/// Keeps all workers of a runtime busy until this object is destroyed.
class hold_up {
public:
    explicit hold_up(const eddy::runtime& rt) : count_(rt.metrics().workers()) {
        for (std::size_t i = 0; i < count_; ++i) {
            tasks_.push_back(rt.spawn([this] {
                held_.add();
                support::spin_until([this] { return go_on_.load(); });
            }));
        }
        EXPECT_TRUE(held_.wait_for(count_));
    }
    hold_up(const hold_up&) = delete;
    hold_up& operator=(const hold_up&) = delete;
    ~hold_up() {
        go_on_ = true;
        for (auto& each : tasks_) EXPECT_TRUE(eddy::wait(each).has_value());
    }

private:
    const std::size_t count_;
    support::tally held_;
    std::atomic<bool> go_on_ = false;
    std::vector<eddy::join_handle<void>> tasks_;
};

// covers: P009
TEST_P(RuntimeMetrics, WorkerIndexIsChecked) {
    const auto rt = make();
    EXPECT_EQ(rt.metrics().workers(), workers());
    EXPECT_NO_THROW(static_cast<void>(rt.metrics().worker(workers() - 1)));
    EXPECT_THROW(static_cast<void>(rt.metrics().worker(workers())), std::out_of_range);
}

// covers: P009
TEST_P(RuntimeMetrics, AliveAndSpawnedTasksAreCounted) {
    const auto rt = make();
    EXPECT_EQ(rt.metrics().alive_tasks, 0u);
    EXPECT_EQ(rt.metrics().spawned_tasks, 0u);
    std::vector<eddy::join_handle<void>> all;
    for (int i = 0; i < 10; ++i) all.push_back(rt.spawn(hold(0)));
    EXPECT_EQ(rt.metrics().alive_tasks, 10u);
    EXPECT_EQ(rt.metrics().spawned_tasks, 10u);
    rt.block_on([&]() -> eddy::task<void> {
        EXPECT_EQ(rt.metrics().alive_tasks, 11u) << "the task of block_on counts, too";
        auto child = eddy::spawn(number(1));
        static_cast<void>(co_await child);
    }());
    EXPECT_EQ(rt.metrics().alive_tasks, 10u);
    EXPECT_EQ(rt.metrics().spawned_tasks, 12u);
    for (auto& each : all) each.abort();
    for (auto& each : all) EXPECT_FALSE(eddy::wait(each).has_value());
    EXPECT_EQ(rt.metrics().alive_tasks, 0u);
    EXPECT_EQ(rt.metrics().spawned_tasks, 12u);
}

// covers: P009
TEST_P(RuntimeMetrics, InjectionQueueDepthCountsInjectedTasks) {
    const auto rt = make();
    {
        const hold_up all(rt);
        EXPECT_EQ(rt.metrics().injection_queue_depth, 0u);
        for (std::size_t i = 1; i <= 20; ++i) {
            rt.spawn(nothing()).detach();
            EXPECT_EQ(rt.metrics().injection_queue_depth, i);
        }
    }
    rt.wait_until_idle();
    EXPECT_EQ(rt.metrics().injection_queue_depth, 0u);
}

// covers: P009
TEST_P(RuntimeMetrics, WorkerQueueDepthCountsSpawnedTasks) {
    const auto rt = make();
    support::gate spawned;
    std::atomic<bool> go_on = false;
    const auto queued = [&] {
        std::size_t sum = 0;
        const auto now = rt.metrics();
        for (std::size_t i = 0; i < now.workers(); ++i) sum += now.worker(i).queued;
        return sum;
    };
    EXPECT_EQ(queued(), 0u);
    if (workers() == 1) {  // other workers would steal the tasks
        auto spawner = rt.spawn([&] {
            for (int i = 0; i < 3; ++i) eddy::spawn(nothing()).detach();
            spawned.open();
            support::spin_until([&] { return go_on.load(); });
        });
        ASSERT_TRUE(spawned.wait());
        EXPECT_EQ(queued(), 3u);
        go_on = true;
        EXPECT_TRUE(eddy::wait(spawner).has_value());
    }
    rt.wait_until_idle();
    EXPECT_EQ(queued(), 0u);
}

// covers: P009
TEST_P(RuntimeMetrics, PollsAreCountedPerWorker) {
    const auto rt = make();
    EXPECT_EQ(rt.metrics().polls(), 0u);
    rt.block_on(nothing());
    EXPECT_EQ(rt.metrics().polls(), 1u);
    rt.block_on([]() -> eddy::task<void> {
        for (int i = 0; i < 9; ++i) co_await eddy::yield_now();
    }());
    EXPECT_EQ(rt.metrics().polls(), 11u);
    const auto now = rt.metrics();
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < now.workers(); ++i) sum += now.worker(i).polls;
    EXPECT_EQ(sum, now.polls());
}

// covers: P009
TEST_P(RuntimeMetrics, ParksAndBusyTimeGrow) {
    const auto rt = make();
    const auto busy = [&] {
        std::chrono::nanoseconds sum{};
        const auto now = rt.metrics();
        for (std::size_t i = 0; i < now.workers(); ++i) sum += now.worker(i).busy;
        return sum;
    };
    EXPECT_TRUE(support::comes_true([&] { return rt.metrics().parks() >= workers(); })) << "all workers park at first";
    const auto parks = rt.metrics().parks();
    const auto before = busy();
    rt.block_on([]() -> eddy::task<void> {
        const auto until = std::chrono::steady_clock::now() + 20ms;
        while (std::chrono::steady_clock::now() < until) {
        }
        co_return;
    }());
    EXPECT_TRUE(support::comes_true([&] { return rt.metrics().parks() > parks; }));
    EXPECT_TRUE(support::comes_true([&] { return busy() - before >= 20ms; }));
}

// covers: P010
TEST_P(RuntimeMetrics, StealsAreCounted) {
    const auto rt = make();
    auto parent = rt.spawn([&] {
        auto ended = std::make_shared<std::atomic<int>>(0);
        for (int i = 0; i < 20; ++i) eddy::spawn([ended] { ++*ended; }).detach();
        if (workers() > 1) {
            EXPECT_TRUE(support::spin_until([&] { return *ended == 20; }));
        }
    });
    EXPECT_TRUE(eddy::wait(parent).has_value());
    rt.wait_until_idle();
    if (workers() == 1) {
        EXPECT_EQ(rt.metrics().steals(), 0u);
    } else {
        EXPECT_GE(rt.metrics().steals(), 1u);
    }
}

// covers: P010
TEST_P(RuntimeMetrics, OverflowsOfRunQueueAreCounted) {
    const auto rt = make();
    rt.block_on(nothing());
    EXPECT_EQ(rt.metrics().overflows(), 0u);
    auto spawner = rt.spawn([] {
        for (int i = 0; i < 5000; ++i) eddy::spawn(nothing()).detach();
    });
    EXPECT_TRUE(eddy::wait(spawner).has_value());
    rt.wait_until_idle();
    if (workers() == 1) {
        // One task is in the LIFO slot and 256 are in the run queue. The other tasks did not fit.
        EXPECT_EQ(rt.metrics().overflows(), 5000u - 256 - 1);
    }
}

// covers: P010
TEST_P(RuntimeMetrics, PollTimeHistogramCountsLongPolls) {
    const auto rt = eddy::runtime::builder().worker_threads(workers()).poll_time_histogram(true).build().value();
    const auto compute_and_yield = []() -> eddy::task<void> {
        for (int i = 0; i < 3; ++i) {
            const auto end = std::chrono::steady_clock::now() + 3ms;
            support::spin_until([end] { return std::chrono::steady_clock::now() >= end; });
            co_await eddy::yield_now();
        }
    };
    rt.block_on(compute_and_yield());
    // A worker counts a poll after the poll has ended. block_on() may return before that.
    support::spin_until([&] { return rt.metrics().poll_times().total() == rt.metrics().polls(); });
    const auto times = rt.metrics().poll_times();
    EXPECT_GE(times.total(), 4u);
    std::uint64_t long_ones = 0;
    for (std::size_t i = eddy::duration_histogram::bucket_of(3ms); i < eddy::duration_histogram::buckets; ++i)
        long_ones += times.count(i);
    EXPECT_GE(long_ones, 3u);
    EXPECT_GE(times.quantile(0.5), 3ms);
    EXPECT_LT(times.quantile(0), 3ms);  // the last poll returns immediately
}

// covers: P010
TEST_P(RuntimeMetrics, PollTimeHistogramIsOffByDefault) {
    const auto rt = make();
    rt.block_on(nothing());
    EXPECT_EQ(rt.metrics().poll_times().total(), 0u);
}

// covers: P009
TEST_P(RuntimeMetrics, BlockingThreadsAndTheirQueueAreCounted) {
    const auto rt = eddy::runtime::builder().worker_threads(workers()).max_blocking_threads(2).build().value();
    const auto entered = rt.enter();
    EXPECT_EQ(rt.metrics().blocking_threads, 0u);
    support::tally begun;
    support::gate go_on;
    std::vector<eddy::join_handle<void>> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(eddy::spawn_blocking([&] {
            begun.add();
            EXPECT_TRUE(go_on.wait());
        }));
    }
    EXPECT_TRUE(begun.wait_for(2));
    EXPECT_EQ(rt.metrics().blocking_threads, 2u);
    EXPECT_EQ(rt.metrics().idle_blocking_threads, 0u);
    EXPECT_EQ(rt.metrics().blocking_queue_depth, 3u);
    EXPECT_EQ(rt.metrics().alive_tasks, 0u) << "blocking work is counted separately";
    go_on.open();
    for (auto& each : all) EXPECT_TRUE(eddy::wait(each).has_value());
    EXPECT_TRUE(support::comes_true([&] { return rt.metrics().idle_blocking_threads == 2; }));
    EXPECT_EQ(rt.metrics().blocking_threads, 2u);
    EXPECT_EQ(rt.metrics().blocking_queue_depth, 0u);
}

// covers: P010
TEST_P(RuntimeMetrics, DescriptorsAndEventsAreCounted) {
    const auto rt = make();
    EXPECT_EQ(rt.metrics().io().fds_registered, 0u);
    {
        std::list<support::counter> sources;
        std::list<eddy::io::registration> registered;
        {
            const auto entered = rt.enter();
            for (int i = 0; i < 12; ++i) {
                sources.emplace_back();
                registered.push_back(
                    eddy::io::registration::attach(sources.back(), eddy::io::interest::readable).value());
            }
        }
        const auto now = rt.metrics();
        EXPECT_EQ(now.io().fds_registered, 12u);
        EXPECT_EQ(now.io().fds_deregistered, 0u);
        std::size_t sum = 0;
        for (std::size_t i = 0; i < now.workers(); ++i) sum += now.worker(i).sources;
        EXPECT_EQ(sum, 12u);
        sources.front().add();
        EXPECT_TRUE(support::comes_true([&] { return rt.metrics().io().ready_events >= 1; }));
        for (auto& each : registered) EXPECT_TRUE(each.deregister().has_value());
    }
    const auto after = rt.metrics();
    EXPECT_EQ(after.io().fds_deregistered, 12u);
    for (std::size_t i = 0; i < after.workers(); ++i) EXPECT_EQ(after.worker(i).sources, 0u);
}

TEST_P(RuntimeMetrics, MetricsAreMonotonicUnderLoad) {
    const auto rt = make();
    std::atomic<bool> stop = false;
    std::thread asker([&] {
        std::uint64_t last = 0;
        while (!stop) {
            const auto now = rt.metrics();
            EXPECT_LE(now.alive_tasks, now.spawned_tasks);
            EXPECT_GE(now.polls(), last);
            last = now.polls();
        }
    });
    for (int i = 0; i < 300; ++i) {
        rt.spawn([&]() -> eddy::task<void> {
              static_cast<void>(rt.metrics());
              co_await eddy::yield_now();
          }).detach();
    }
    rt.wait_until_idle();
    stop = true;
    asker.join();
    EXPECT_EQ(rt.metrics().alive_tasks, 0u);
}

}  // namespace
