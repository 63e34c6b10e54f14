// SPDX-License-Identifier: MIT
// All counters as text, and what executors measure of each task.
// covers: P009 P010 B11
// runs: asan, plain
#include <eddy/runtime/metrics_text.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/future.hpp>
#include <eddy/runtime.hpp>
#include <eddy/runtime/detail/prometheus_text.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include "support/prometheus.hpp"
#include "support/runtime.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::task;
using support::samples_in;

std::string of_pool(const eddy::handle& pool, const std::string& name, const std::string& more = "") {
    return name + "{executor=\"pool-" + std::to_string(pool.id()) + "\"" + more + "}";
}
std::string of_loop(const eddy::core& loop, const std::string& name, const std::string& more = "") {
    return name + "{executor=\"loop-" + std::to_string(loop.id()) + "\"" + more + "}";
}

/// Uses up the coop budget of two polls, and runs in three.
task<void> uses_two_budgets() {
    for (std::uint32_t i = 0; i < 2 * eddy::context::default_budget + 10; ++i) co_await eddy::consume_budget();
}

std::optional<eddy::task_statistics> statistics_of(eddy::task_id id) {
    const auto all = eddy::all_task_statistics();
    const auto found = std::ranges::find(all, id, &eddy::task_statistics::id);
    return found == all.end() ? std::nullopt : std::optional(*found);
}

/// Awaits `depth` frames.
task<int> allocated(int depth) {
    if (depth == 0) co_return 0;
    const int below = co_await allocated(depth - 1);
    co_return below + 1;
}

TEST(PrometheusText, LabelsAreEscapedAndMetricsWithoutSamplesAreNotWritten) {
    std::string text;
    eddy::detail::prometheus_text to(text);
    to.begin("none", "gauge", "Nothing.");
    to.begin("one", "gauge", "A number.")
        .sample(0.25, eddy::detail::metric_labels().add("name", "a\\b\"c\nd").add("other", ""));
    EXPECT_EQ(text, "# HELP one A number.\n# TYPE one gauge\none{name=\"a\\\\b\\\"c\\nd\",other=\"\"} 0.25\n");
    samples_in(text);
}

TEST(PrometheusText, BucketsOfHistogramsAreCumulative) {
    std::string text;
    eddy::detail::prometheus_text to(text);
    const std::vector<double> bounds{1e-7, 1};
    const std::vector<std::uint64_t> counts{2, 0, 3};
    to.begin("h", "histogram", "Durations.").histogram(bounds, counts, 7.5);
    EXPECT_EQ(text,
              "# HELP h Durations.\n# TYPE h histogram\nh_bucket{le=\"0.0000001\"} 2\nh_bucket{le=\"1\"} 2\n"
              "h_bucket{le=\"+Inf\"} 5\nh_sum 7.5\nh_count 5\n");
    samples_in(text);
}

TEST(MetricsText, EachExecutorOfTheProcessIsShownWhileItExists) {
    std::string pool_sample;
    {
        const auto pool = eddy::runtime::builder().worker_threads(2).build().value();
        eddy::core loop;
        loop.run([]() -> task<void> { co_await eddy::yield_now(); }());
        pool.block_on([]() -> task<void> { co_await eddy::yield_now(); }());
        std::map<std::string, double> samples;
        // On another thread than the loop's.
        std::thread([&] { samples = samples_in(eddy::metrics_text()); }).join();
        pool_sample = of_pool(pool.handle(), "eddy_workers");
        EXPECT_EQ(samples.at(pool_sample), 2);
        EXPECT_EQ(samples.at(of_pool(pool.handle(), "eddy_tasks_spawned_total")), 1);
        EXPECT_TRUE(samples.contains(of_pool(pool.handle(), "eddy_worker_busy_seconds_total", ",worker=\"1\"")));
        EXPECT_EQ(samples.at(of_loop(loop, "eddy_polls_total")), 2);
        EXPECT_EQ(samples.at(of_loop(loop, "eddy_tasks")), 0);
        EXPECT_FALSE(samples.contains(of_loop(loop, "eddy_schedule_latency_seconds_count")));
    }
    EXPECT_FALSE(samples_in(eddy::metrics_text()).contains(pool_sample));
}

TEST(MetricsText, PollsThatUseUpTheirBudgetAreCounted) {
    const auto pool = eddy::runtime::builder().worker_threads(1).build().value();
    EXPECT_TRUE(eddy::wait(pool.spawn(uses_two_budgets())).has_value());
    EXPECT_EQ(pool.metrics().forced_yields(), 2u);
    eddy::core loop;
    loop.run(uses_two_budgets());
    EXPECT_EQ(loop.metrics().forced_yields(), 2u);
    // Two operations of one poll that find no budget are one forced yield.
    loop.run([]() -> task<void> {
        for (std::uint32_t i = 0; i < eddy::context::default_budget; ++i) co_await eddy::consume_budget();
        auto both = eddy::join(eddy::consume_budget(), eddy::consume_budget());
        co_await both;
    }());
    EXPECT_EQ(loop.metrics().forced_yields(), 3u);
    const auto samples = samples_in(eddy::metrics_text());
    EXPECT_EQ(samples.at(of_pool(pool.handle(), "eddy_budget_forced_yields_total")), 2);
    EXPECT_EQ(samples.at(of_loop(loop, "eddy_budget_forced_yields_total")), 3);
}

TEST(MetricsText, BusyTimeOfAWorkerGrowsDuringAPoll) {
    const auto pool = eddy::runtime::builder().worker_threads(1).build().value();
    const auto busy = [&] { return pool.metrics().worker(0).busy; };
    EXPECT_TRUE(eddy::wait(pool.spawn([&] {
                    const auto before = busy();
                    support::spin_until([&] { return busy() >= before + 1ms; });
                })).has_value());
    auto last = busy();
    for (int i = 0; i < 1000; ++i) {
        pool.spawn([] {}).detach();
        const auto now = busy();
        EXPECT_GE(now, last);
        last = now;
    }
}

/// Both executors, with measurements of tasks: `run` runs a future to its end.
template <class Test>
void on_both(Test test) {
    {
        const auto pool =
            eddy::runtime::builder().worker_threads(1).task_statistics(true).poll_time_histogram(true).build().value();
        test([&](auto work) { pool.block_on(std::move(work)); }, [&] { return pool.metrics(); });
        EXPECT_TRUE(
            samples_in(eddy::metrics_text()).contains(of_pool(pool.handle(), "eddy_poll_duration_seconds_sum")));
    }
    auto loop = eddy::core::builder().task_statistics(true).poll_time_histogram(true).build().value();
    test([&](auto work) { loop.run(std::move(work)); }, [&] { return loop.metrics(); });
    EXPECT_TRUE(samples_in(eddy::metrics_text()).contains(of_loop(loop, "eddy_schedule_latency_seconds_sum")));
}

TEST(TaskStatistics, PollsTimeAndAllocationsOfATaskAreCounted) {
    on_both([](auto run, auto) {
        run([]() -> task<void> {
            eddy::sync::notify go_on;
            auto child = eddy::spawn([&go_on]() -> task<void> {
                co_await eddy::yield_now();
                const int frames = co_await allocated(10);
                EXPECT_EQ(frames, 10);
                const auto end = std::chrono::steady_clock::now() + 2ms;
                support::spin_until([&] { return std::chrono::steady_clock::now() >= end; });
                co_await go_on.notified();
            });
            const auto id = child.id();
            while (!statistics_of(id) || statistics_of(id)->polls < 2) co_await eddy::yield_now();
            const auto now = *statistics_of(id);
            EXPECT_EQ(now.polls, 2u);
            EXPECT_GE(now.busy, 2ms);
            EXPECT_GE(now.allocations, 10u);
            EXPECT_LE(now.allocations, 20u);
            go_on.notify_one();
            auto ended = co_await child;
            EXPECT_TRUE(ended.has_value());
            EXPECT_FALSE(statistics_of(id)) << "the task has ended";
        }());
    });
    EXPECT_TRUE(eddy::all_task_statistics().empty());
}

TEST(TaskStatistics, LatencyIsTheTimeFromTheWakeUpToThePoll) {
    on_both([](auto run, auto metrics) {
        const auto slow = eddy::duration_histogram::bucket_of(20ms);
        const auto late = [&] {
            std::uint64_t count = 0;
            for (auto i = slow; i < eddy::duration_histogram::buckets; ++i)
                count += metrics().schedule_latencies().count(i);
            return count;
        };
        const auto total = [&] { return metrics().schedule_latencies().total(); };
        run([&]() -> task<void> {
            eddy::sync::notify go_on;
            auto child = eddy::spawn([&]() -> task<void> { co_await go_on.notified(); });
            while (!statistics_of(child.id()) || statistics_of(child.id())->polls < 1) co_await eddy::yield_now();
            // The waiting time is not a latency: it is queued only when it is woken.
            const auto end_of_wait = std::chrono::steady_clock::now() + 50ms;
            while (std::chrono::steady_clock::now() < end_of_wait) co_await eddy::yield_now();
            const auto before = late();
            const auto all_before = total();
            go_on.notify_one();
            const auto end = std::chrono::steady_clock::now() + 50ms;
            support::spin_until([&] { return std::chrono::steady_clock::now() >= end; });
            auto ended = co_await child;
            EXPECT_TRUE(ended.has_value());
            EXPECT_GT(late(), before);
            EXPECT_GT(total(), all_before);
        }());
        EXPECT_GE(metrics().schedule_latencies().sum(), 50ms);
    });
}

TEST(TaskStatistics, WithoutItNothingIsMeasured) {
    const auto pool = eddy::runtime::builder().worker_threads(1).build().value();
    pool.block_on([]() -> task<void> {
        co_await eddy::yield_now();
        EXPECT_TRUE(eddy::all_task_statistics().empty());
    }());
    EXPECT_EQ(pool.metrics().schedule_latencies().total(), 0u);
}

}  // namespace
