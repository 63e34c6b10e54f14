// SPDX-License-Identifier: MIT
// Micro-benchmarks of timers.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <vector>

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

// The 99th percentile of the time by which 100,000 sleeps end late. They end within half a second, on one event loop
// that does nothing else.
// covers: S78
void sleep_lateness_p99_100k(benchmark::State& state) {
    for (auto _ : state) {
        eddy::core core;
        std::vector<std::chrono::duration<double>> late;
        late.reserve(live_timers);
        const auto until = [&](eddy::time::time_point due) -> eddy::task<> {
            co_await eddy::time::sleep_until(due);
            late.emplace_back(eddy::time::clock::now() - due);
        };
        const auto first = eddy::time::clock::now() + 500ms;  // after all sleeps are armed
        for (int i = 0; i < live_timers; ++i) core.handle().spawn(until(first + i * 5us)).value();
        core.run_until_idle();
        const auto at = late.begin() + live_timers / 100 * 99;
        std::ranges::nth_element(late, at);
        state.SetIterationTime(at->count());
    }
}
BENCHMARK(sleep_lateness_p99_100k)->UseManualTime()->Iterations(1);

}  // namespace
