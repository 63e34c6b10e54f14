// SPDX-License-Identifier: MIT
// Micro-benchmarks of tasks: coroutine frames, awaits, resumes. malloc_free_128 is the reference of all
// micro-benchmarks.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#include <eddy/prelude.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/sync/oneshot.hpp>

namespace {

constexpr int batch = 100'000;

void malloc_free_128(benchmark::State& state) {
    for (auto _ : state) {
        void* block = std::malloc(128);
        benchmark::DoNotOptimize(block);
        std::free(block);
    }
}
BENCHMARK(malloc_free_128);

[[gnu::noinline]] eddy::task<int> child(int x) { co_return x + 1; }

eddy::task<long> await_children(int count) {
    long sum = 0;
    for (int i = 0; i < count; ++i) sum += co_await child(i);
    co_return sum;
}

// ns per child that is made, awaited, ends immediately, and is destroyed. Each has its own coroutine frame.
void await_ready_child(benchmark::State& state) {
    eddy::core core;
    while (state.KeepRunningBatch(batch)) benchmark::DoNotOptimize(core.run(await_children(batch)));
}
BENCHMARK(await_ready_child);

eddy::task<long> descend(int levels) {
    if (levels == 0) co_return 0;
    co_return 1 + co_await descend(levels - 1);
}

// ns per level of a recursion with 1,000 levels in which nothing suspends.
void await_deep_1000(benchmark::State& state) {
    eddy::core core;
    while (state.KeepRunningBatch(1000)) benchmark::DoNotOptimize(core.run(descend(1000)));
}
BENCHMARK(await_deep_1000);

eddy::task<void> yield_often(int count) {
    for (int i = 0; i < count; ++i) co_await eddy::yield_now();
}

eddy::task<void> yield_below(int levels, int count) {
    if (levels > 1) {
        co_await yield_below(levels - 1, count);
    } else {
        co_await yield_often(count);
    }
}

// ns per yield of the only task of a core: one pass through the run queue, and a resume of the innermost coroutine
// frame.
void yield(benchmark::State& state) {
    eddy::core core;
    while (state.KeepRunningBatch(batch)) core.run(yield_often(batch));
}
BENCHMARK(yield);

// ns per yield of the only task of a core, with the innermost coroutine frame at the given depth. The cost must not
// depend on the depth.
void resume_at_depth(benchmark::State& state) {
    eddy::core core;
    const int depth = static_cast<int>(state.range(0));
    while (state.KeepRunningBatch(batch)) core.run(yield_below(depth, batch));
}
BENCHMARK(resume_at_depth)->Arg(1)->Arg(1000);

using channel = eddy::sync::oneshot<int>;

/// A set of waiting futures, and the senders that wake them.
struct crowd {
    eddy::futures_unordered<channel::receiver> futures;
    std::vector<channel::sender> senders;

    explicit crowd(std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) add();
    }
    void add() {
        channel::ends ends = channel::channel();
        futures.push(std::move(ends.receiver));
        senders.push_back(std::move(ends.sender));
    }
};

// ns per future that is added, waits, is woken and is removed, while the given number of other futures wait. The cost
// must not depend on the number of other futures.
void futures_unordered_wake(benchmark::State& state) {
    crowd all(state.range(0));
    const eddy::waker nobody;
    eddy::context cx(nobody);
    const auto is_ready = [&] {
        cx.restore_budget();
        return all.futures.poll_next(cx).is_ready();
    };
    // One poll of the set polls up to 128 new futures.
    for (std::int64_t i = 0; i <= state.range(0) / 128; ++i) benchmark::DoNotOptimize(is_ready());
    for (auto _ : state) {
        all.add();
        if (is_ready()) state.SkipWithError("a future is ready that was not woken");
        benchmark::DoNotOptimize(all.senders.back().send(1));
        all.senders.pop_back();
        if (!is_ready()) state.SkipWithError("the woken future is not ready");
    }
}
BENCHMARK(futures_unordered_wake)->Arg(10)->Arg(1000)->Arg(10'000);

}  // namespace
