// SPDX-License-Identifier: MIT
// Micro-benchmarks of the event loop: spawns and wake-ups.
#include <benchmark/benchmark.h>

#include <eddy/prelude.hpp>

namespace {

constexpr int batch = 1000;

eddy::task<void> nothing() { co_return; }

// ns per task that is spawned through the event loop's handle, polled once, and ends.
void spawn_by_handle(benchmark::State& state) {
    eddy::core core;
    const auto handle = core.handle();
    while (state.KeepRunningBatch(batch)) {
        for (int i = 0; i < batch; ++i) static_cast<void>(handle.spawn(nothing()));
        core.run_until_idle();
    }
}
BENCHMARK(spawn_by_handle);

// ns per task that is spawned through a remote, polled once, and ends. The remote is used on the event loop's own
// thread, so that its cost is measured without noise of another thread.
void spawn_by_remote(benchmark::State& state) {
    eddy::core core;
    const auto remote = core.remote();
    while (state.KeepRunningBatch(batch)) {
        for (int i = 0; i < batch; ++i) static_cast<void>(remote.spawn([] { return nothing(); }));
        core.turn(std::chrono::nanoseconds::zero());
    }
}
BENCHMARK(spawn_by_remote);

}  // namespace
