// SPDX-License-Identifier: MIT
// Blocking work: two ways to call a function that blocks or computes for long, without stopping other tasks.
//     $ ./blocking_work
//     spawn_blocking: the ticker continued
//     block_in_place: the ticker continued
#include <eddy/prelude.hpp>

#include <atomic>
#include <cstdio>

namespace {

using namespace std::chrono_literals;

std::atomic<int> ticks = 0;

/// Counts ticks while its worker can run it. It never ends, so it is spawned with spawn_background.
eddy::task<void> tick() {
    auto every = eddy::time::interval(1ms);
    for (;;) {
        co_await every.tick();
        ++ticks;
    }
}

/// A stand-in for blocking work: blocks this thread until the ticker has ticked three times. Returns false after 5 s.
bool block_for_three_ticks() {
    const int wanted = ticks + 3;
    for (int i = 0; i < 5000 && ticks < wanted; ++i) std::this_thread::sleep_for(1ms);
    return ticks >= wanted;
}

const char* how(bool went_on) { return went_on ? "continued" : "stopped"; }

eddy::task<eddy::result<void>> async_main() {
    eddy::spawn_background(tick());

    // A direct call of block_for_three_ticks() would block the only worker, and the ticker would stop for 5 s.

    // spawn_blocking runs the function on a thread for blocking work. This task waits, and its worker runs other tasks.
    // The function may run after this task was cancelled, so it must own the data that it uses.
    const bool beside = co_await eddy::try_(eddy::spawn_blocking([] { return block_for_three_ticks(); }));
    std::printf("spawn_blocking: the ticker %s\n", how(beside));

    // block_in_place runs the function on this thread. Another thread takes over this worker's tasks, sockets and
    // timers. The function may use locals of this coroutine. Futures that this task joins or selects are not polled
    // meanwhile.
    const bool in_place = eddy::block_in_place([] { return block_for_three_ticks(); });
    std::printf("block_in_place: the ticker %s\n", how(in_place));
    co_return eddy::ok();
}

}  // namespace

int main() {
    // One worker is enough to show the difference. eddy::run creates one worker for each processor.
    auto runtime = eddy::runtime::builder().worker_threads(1).build();
    if (!runtime) return 1;
    return runtime->block_on(async_main()) ? 0 : 1;
}
