// SPDX-License-Identifier: MIT
// Micro-benchmarks of timers.
#include <benchmark/benchmark.h>

#include <deque>

#include <eddy/prelude.hpp>

namespace {

using namespace std::chrono_literals;

constexpr int batch = 10'000;
constexpr int live_timers = 100'000;

/// Arms a sleep that does not fire during the benchmark.
eddy::time::sleep_future& arm(std::deque<eddy::time::sleep_future>& sleeps, int i, eddy::context& cx) {
    auto& sleep = sleeps.emplace_back(eddy::time::sleep(30'000ms + std::chrono::milliseconds(i % 1000)));
    static_cast<void>(sleep.poll(cx));
    return sleep;
}

eddy::task<void> arm_and_drop(int count) {
    auto work = eddy::poll_fn([count](eddy::context& cx) {
        for (int i = 0; i < count; ++i) {
            auto sleep = eddy::time::sleep(30'000ms + std::chrono::milliseconds(i % 1000));
            eddy::context fresh(cx.waker());  // a new coop budget for each sleep, so that no poll is deferred
            benchmark::DoNotOptimize(sleep.poll(fresh));
        }
        return eddy::poll_result<void>::ready();
    });
    co_await work;
}

eddy::task<void> arm_live(std::deque<eddy::time::sleep_future>& sleeps) {
    auto work = eddy::poll_fn([&sleeps](eddy::context& cx) {
        for (int i = 0; i < live_timers; ++i) {
            eddy::context fresh(cx.waker());  // a new coop budget for each sleep, so that no poll is deferred
            arm(sleeps, i, fresh);
        }
        return eddy::poll_result<void>::ready();
    });
    co_await work;
}

// ns per sleep that is made, polled once, and dropped.
void sleep_arm_drop(benchmark::State& state) {
    eddy::core core;
    while (state.KeepRunningBatch(batch)) core.run(arm_and_drop(batch));
}
BENCHMARK(sleep_arm_drop);

// ns per sleep that is made, polled once, and dropped, while 100,000 other sleeps are armed.
void sleep_arm_drop_100k_live(benchmark::State& state) {
    eddy::core core;
    std::deque<eddy::time::sleep_future> live;
    core.run(arm_live(live));
    while (state.KeepRunningBatch(batch)) core.run(arm_and_drop(batch));
}
BENCHMARK(sleep_arm_drop_100k_live);

}  // namespace
