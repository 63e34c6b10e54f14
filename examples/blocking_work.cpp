// SPDX-License-Identifier: MIT
// Blocking work: two ways to call what blocks or computes for long while the other tasks go on.
//     $ ./blocking_work
//     spawn_blocking: the ticker went on
//     block_in_place: the ticker went on
#include <eddy/prelude.hpp>

#include <atomic>
#include <cstdio>

namespace {

using namespace std::chrono_literals;

std::atomic<int> ticks = 0;

/// A task like any other, to see whether the worker is free. It never ends, so it is spawned with spawn_background.
eddy::task<void> tick() {
    auto every = eddy::time::interval(1ms);
    for (;;) {
        co_await every.tick();
        ++ticks;
    }
}

/// Stands for what blocks: holds this thread until the ticker has ticked three times. True if it did, within 5 s.
bool block_for_three_ticks() {
    const int wanted = ticks + 3;
    for (int i = 0; i < 5000 && ticks < wanted; ++i) std::this_thread::sleep_for(1ms);
    return ticks >= wanted;
}

const char* how(bool went_on) { return went_on ? "went on" : "stood still"; }

eddy::task<eddy::result<void>> async_main() {
    eddy::spawn_background(tick());

    // Called just so, block_for_three_ticks() would hold up this worker. The runtime has no other: the ticker would
    // stand still for 5 s.

    // On a thread for such work. This task waits, and its worker runs others. The function may begin later, when this
    // task was cancelled already: it has to own what it uses.
    const bool beside = co_await eddy::try_(eddy::spawn_blocking([] { return block_for_three_ticks(); }));
    std::printf("spawn_blocking: the ticker %s\n", how(beside));

    // Here and now. Another thread goes on with this worker's tasks, sockets and timers. The function may use the
    // locals of this coroutine; but what is joined or selected in this same task stands still.
    const bool in_place = eddy::block_in_place([] { return block_for_three_ticks(); });
    std::printf("block_in_place: the ticker %s\n", how(in_place));
    co_return eddy::ok();
}

}  // namespace

int main() {
    // One worker, to see the difference. eddy::run makes one for each processor.
    auto runtime = eddy::runtime::builder().worker_threads(1).build();
    if (!runtime) return 1;
    return runtime->block_on(async_main()) ? 0 : 1;
}
