// SPDX-License-Identifier: MIT
#include <array>

#include "raw_cases.hpp"

int main(int argc, char** argv) {
    using bench::bench_case;
    using bench::runs_on;
    namespace raw = bench::raw;

    static constexpr std::array cases{
        bench_case{"spawn_join_one", runs_on::ct, &raw::spawn_join_one},
        bench_case{"spawn_join_batch", runs_on::ct, &raw::spawn_join_batch},
        bench_case{"spawn_remote", runs_on::ct, &raw::spawn_remote},
        bench_case{"chained_spawn", runs_on::ct, &raw::chained_spawn},
        bench_case{"yield_1", runs_on::ct, &raw::yield_1},
        bench_case{"yield_1000", runs_on::ct, &raw::yield_1000},
        bench_case{"oneshot", runs_on::ct, &raw::oneshot},
        bench_case{"codec_lines", runs_on::ct, &raw::codec_lines},
        bench_case{"await_deep", runs_on::ct, &raw::await_deep},
        bench_case{"await_ready", runs_on::ct, &raw::await_ready},
        bench_case{"await_opaque", runs_on::ct, &raw::await_opaque},
        bench_case{"timer_arm_cancel", runs_on::both, &raw::timer_arm_cancel},
        bench_case{"timer_arm_cancel_live", runs_on::both, &raw::timer_arm_cancel_live},
        bench_case{"timer_arm_cancel_100k", runs_on::both, &raw::timer_arm_cancel_100k},
        bench_case{"wake_external", runs_on::ct, &raw::wake_external},
        bench_case{"spawn_blocking", runs_on::ct, &raw::spawn_blocking},
    };
    return bench::run_cases(cases, argc, argv);
}
