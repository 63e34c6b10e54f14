// SPDX-License-Identifier: MIT

// The cases of the group `rt` with TooManyCooks. The other cases have no equivalent: it has no timers and no pool for
// blocking work of its own.
#define TMC_IMPL  // this file contains the library's compiled part

#include <array>

#include <tmc/all_headers.hpp>

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
        bench_case{"chained_spawn_ref", runs_on::both, &peer::chained_spawn_ref},
        bench_case{"pingpong_chan", runs_on::both, &peer::pingpong_chan},
        bench_case{"skynet", runs_on::both, &peer::skynet},
        bench_case{"fib30", runs_on::both, &peer::fib30},
        bench_case{"mem_parked", runs_on::w2, &peer::mem_parked},
    };
    return bench::run_cases(cases, argc, argv);
}
