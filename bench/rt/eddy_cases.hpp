// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "protocol.hpp"

// eddy's cases, each in the file that is named after its subject.

namespace bench::rt {

void spawn_join_one(flavour where);
void spawn_join_batch(flavour where);
void spawn_remote(flavour where);
void chained_spawn(flavour where);
void yield_1(flavour where);
void yield_1000(flavour where);
void oneshot(flavour where);
void await_deep(flavour where);
void await_ready(flavour where);
void await_opaque(flavour where);
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

// What `./dev bench scale` measures, for some numbers of tasks.
void scale_yield(std::uint64_t tasks, flavour where);
void scale_parked(std::uint64_t tasks, flavour where);

}  // namespace bench::rt
