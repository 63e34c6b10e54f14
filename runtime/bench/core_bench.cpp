// SPDX-License-Identifier: MIT
// Micro-benchmarks of the event loop: spawns and wake-ups.
#include <benchmark/benchmark.h>

#include <eddy/prelude.hpp>

namespace {

constexpr int batch = 1000;

eddy::task<void> nothing() { co_return; }

// Spawns tasks in the running loop, where programs do it: outside of run(), each spawn reads the clock.
template <class Spawn>
void spawn_in_loop(benchmark::State& state, eddy::core& core, Spawn spawn) {
    core.run([&]() -> eddy::task<void> {
        while (state.KeepRunningBatch(batch)) {
            for (int i = 0; i < batch; ++i) spawn();
            co_await eddy::yield_now();  // the loop polls them first
        }
    }());
}

// ns per task that is spawned through the event loop's handle, polled once, and ends.
// covers: S73
void spawn_by_handle(benchmark::State& state) {
    eddy::core core;
    spawn_in_loop(state, core, [handle = core.handle()] { static_cast<void>(handle.spawn(nothing())); });
}
BENCHMARK(spawn_by_handle);

// Same as above, through a remote on the loop's own thread.
void spawn_by_remote_here(benchmark::State& state) {
    eddy::core core;
    spawn_in_loop(state, core, [remote = core.remote()] { static_cast<void>(remote.spawn([] { return nothing(); })); });
}
BENCHMARK(spawn_by_remote_here);

// ns per task that is sent by a remote to the event loop of another thread, polled once, and ends.
void spawn_by_remote(benchmark::State& state) {
    const eddy::core_thread loop;
    const auto remote = loop.remote();
    while (state.KeepRunningBatch(batch)) {
        for (int i = 0; i < batch; ++i) static_cast<void>(remote.spawn([] { return nothing(); }));
        remote.call([] { return 0; }).get();  // runs after the tasks
    }
}
BENCHMARK(spawn_by_remote)->UseRealTime();

}  // namespace
