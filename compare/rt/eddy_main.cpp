// SPDX-License-Identifier: MIT
#include <array>

#include "eddy_cases.hpp"

int main(int argc, char** argv) {
    using bench::bench_case;
    using bench::runs_on;
    namespace rt = bench::rt;

    static constexpr std::array cases{
        bench_case{"spawn_join_one", runs_on::both, &rt::spawn_join_one},
        bench_case{"spawn_join_batch", runs_on::both, &rt::spawn_join_batch},
        bench_case{"spawn_remote", runs_on::both, &rt::spawn_remote},
        bench_case{"chained_spawn", runs_on::both, &rt::chained_spawn},
        bench_case{"chained_spawn_ref", runs_on::both, &rt::chained_spawn_ref},
        bench_case{"yield_1", runs_on::both, &rt::yield_1},
        bench_case{"yield_1000", runs_on::both, &rt::yield_1000},
        bench_case{"pingpong_chan", runs_on::both, &rt::pingpong_chan},
        bench_case{"pingpong_oneshot", runs_on::both, &rt::pingpong_oneshot},
        bench_case{"notify_pingpong", runs_on::both, &rt::notify_pingpong},
        bench_case{"watch_pingpong", runs_on::both, &rt::watch_pingpong},
        bench_case{"broadcast_1x8", runs_on::both, &rt::broadcast_1x8},
        bench_case{"mpsc_bounded_p1", runs_on::both, &rt::mpsc_bounded_p1},
        bench_case{"mpsc_bounded_p4", runs_on::both, &rt::mpsc_bounded_p4},
        bench_case{"mpsc_unbounded_p1", runs_on::both, &rt::mpsc_unbounded_p1},
        bench_case{"mpsc_unbounded_p4", runs_on::both, &rt::mpsc_unbounded_p4},
        bench_case{"oneshot", runs_on::ct, &rt::oneshot},
        bench_case{"codec_lines", runs_on::ct, &rt::codec_lines},
        bench_case{"codec_lengths", runs_on::ct, &rt::codec_lengths},
        bench_case{"mutex_uncontended", runs_on::both, &rt::mutex_uncontended},
        bench_case{"mutex_4", runs_on::both, &rt::mutex_4},
        bench_case{"mutex_4_yield", runs_on::both, &rt::mutex_4_yield},
        bench_case{"semaphore_uncontended", runs_on::both, &rt::semaphore_uncontended},
        bench_case{"notify_permit", runs_on::ct, &rt::notify_permit},
        bench_case{"await_deep", runs_on::ct, &rt::await_deep},
        bench_case{"await_ready", runs_on::ct, &rt::await_ready},
        bench_case{"await_opaque", runs_on::ct, &rt::await_opaque},
        bench_case{"select_ready", runs_on::ct, &rt::select_ready},
        bench_case{"select_pending", runs_on::ct, &rt::select_pending},
        bench_case{"skynet", runs_on::both, &rt::skynet},
        bench_case{"fib30", runs_on::both, &rt::fib30},
        bench_case{"skynet_scope", runs_on::both, &rt::skynet_scope},
        bench_case{"fib30_scope", runs_on::both, &rt::fib30_scope},
        bench_case{"timer_arm_cancel", runs_on::both, &rt::timer_arm_cancel},
        bench_case{"timer_arm_cancel_live", runs_on::both, &rt::timer_arm_cancel_live},
        bench_case{"timer_arm_cancel_100k", runs_on::both, &rt::timer_arm_cancel_100k},
        bench_case{"timer_fire", runs_on::both, &rt::timer_fire},
        bench_case{"mem_spawn", runs_on::ct, &rt::mem_spawn},
        bench_case{"mem_parked", runs_on::w2, &rt::mem_parked},
        bench_case{"wake_external", runs_on::both, &rt::wake_external},
        bench_case{"block_on_spawn", runs_on::w2, &rt::block_on_spawn},
        bench_case{"spawn_blocking", runs_on::both, &rt::spawn_blocking},
        bench_case{"idle", runs_on::w2, &rt::idle},
        bench_case{"scale_yield_10", runs_on::ct, [](bench::flavour where) { rt::scale_yield(10, where); }},
        bench_case{"scale_yield_1000", runs_on::ct, [](bench::flavour where) { rt::scale_yield(1000, where); }},
        bench_case{"scale_yield_100000", runs_on::ct, [](bench::flavour where) { rt::scale_yield(100'000, where); }},
        bench_case{"scale_yield_1000000", runs_on::ct, [](bench::flavour where) { rt::scale_yield(1'000'000, where); }},
        bench_case{"scale_parked_1000", runs_on::ct, [](bench::flavour where) { rt::scale_parked(1000, where); }},
        bench_case{"scale_parked_100000", runs_on::ct, [](bench::flavour where) { rt::scale_parked(100'000, where); }},
        bench_case{"scale_parked_1000000", runs_on::ct,
                   [](bench::flavour where) { rt::scale_parked(1'000'000, where); }},
    };
    return bench::run_cases(cases, argc, argv);
}
