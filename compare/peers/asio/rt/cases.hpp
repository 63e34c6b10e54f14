// SPDX-License-Identifier: MIT
#pragma once

#include "protocol.hpp"

// The cases of Asio, each in the file of its subject.

namespace bench::peer {

void spawn_join_one(flavour where);
void spawn_join_batch(flavour where);
void spawn_remote(flavour where);
void chained_spawn(flavour where);
void yield_1(flavour where);
void yield_1000(flavour where);
void await_deep(flavour where);
void await_ready(flavour where);
void await_opaque(flavour where);
void skynet(flavour where);
void fib30(flavour where);
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

}  // namespace bench::peer
