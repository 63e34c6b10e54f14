// SPDX-License-Identifier: MIT
// The program of the group `rt` with Boost.Asio coroutines. Each case does the same as eddy's (compare/rt/), in the way
// that is best for Asio. co_spawn() starts a task immediately, on the caller's stack. A task is joined by the awaitable
// that co_spawn() returns; many tasks are joined by handlers that count down a latch. A oneshot is a channel of
// capacity 1. There are no scopes. The case oneshot is omitted, because Asio's channels are designed for long
// lifetimes.
#include <array>

#include "cases.hpp"

int main(int argc, char** argv) {
    using bench::bench_case;
    using bench::runs_on;
    namespace peer = bench::peer;

    static constexpr std::array cases{
        bench_case{"spawn_join_one", runs_on::both, &peer::spawn_join_one},
        bench_case{"spawn_join_batch", runs_on::both, &peer::spawn_join_batch},
        bench_case{"spawn_remote", runs_on::both, &peer::spawn_remote},
        bench_case{"chained_spawn", runs_on::both, &peer::chained_spawn},
        bench_case{"yield_1", runs_on::both, &peer::yield_1},
        bench_case{"yield_1000", runs_on::both, &peer::yield_1000},
        bench_case{"await_deep", runs_on::ct, &peer::await_deep},
        bench_case{"await_ready", runs_on::ct, &peer::await_ready},
        bench_case{"await_opaque", runs_on::ct, &peer::await_opaque},
        bench_case{"skynet", runs_on::both, &peer::skynet},
        bench_case{"fib30", runs_on::both, &peer::fib30},
        bench_case{"timer_arm_cancel", runs_on::both, &peer::timer_arm_cancel},
        bench_case{"timer_arm_cancel_live", runs_on::both, &peer::timer_arm_cancel_live},
        bench_case{"timer_arm_cancel_100k", runs_on::both, &peer::timer_arm_cancel_100k},
        bench_case{"timer_fire", runs_on::both, &peer::timer_fire},
        bench_case{"mem_spawn", runs_on::ct, &peer::mem_spawn},
        bench_case{"mem_parked", runs_on::w2, &peer::mem_parked},
        bench_case{"wake_external", runs_on::both, &peer::wake_external},
        bench_case{"block_on_spawn", runs_on::w2, &peer::block_on_spawn},
        bench_case{"spawn_blocking", runs_on::both, &peer::spawn_blocking},
        bench_case{"idle", runs_on::w2, &peer::idle},
    };
    return bench::run_cases(cases, argc, argv);
}
