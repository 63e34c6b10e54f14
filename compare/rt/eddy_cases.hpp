// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "protocol.hpp"

// The cases of eddy, each in the file of its subject.

namespace bench::rt {

void spawn_join_one(flavour where);
void spawn_join_batch(flavour where);
void spawn_remote(flavour where);
void chained_spawn(flavour where);
void chained_spawn_ref(flavour where);
void yield_1(flavour where);
void yield_1000(flavour where);
void pingpong_chan(flavour where);
void pingpong_oneshot(flavour where);
void notify_pingpong(flavour where);
void watch_pingpong(flavour where);
void broadcast_1x8(flavour where);
void mpsc_bounded_p1(flavour where);
void mpsc_bounded_p4(flavour where);
void mpsc_unbounded_p1(flavour where);
void mpsc_unbounded_p4(flavour where);
void oneshot(flavour where);
void codec_lines(flavour where);
void codec_lengths(flavour where);
void mutex_uncontended(flavour where);
void mutex_4(flavour where);
void mutex_4_yield(flavour where);
void semaphore_uncontended(flavour where);
void notify_permit(flavour where);
void await_deep(flavour where);
void await_ready(flavour where);
void await_opaque(flavour where);
void select_ready(flavour where);
void select_pending(flavour where);
void skynet(flavour where);
void fib30(flavour where);
void skynet_scope(flavour where);
void fib30_scope(flavour where);
void timer_arm_cancel(flavour where);
void timer_arm_cancel_live(flavour where);
void timer_arm_cancel_100k(flavour where);
void timer_fire(flavour where);
void mem_spawn(flavour where);
void mem_parked(flavour where);
void wake_external(flavour where);
void block_on_spawn(flavour where);
void spawn_blocking(flavour where);
void idle(flavour where);

// The cases of `./dev bench scale`, for several numbers of tasks.
void scale_yield(std::uint64_t tasks, flavour where);
void scale_parked(std::uint64_t tasks, flavour where);

}  // namespace bench::rt
