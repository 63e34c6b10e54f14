// SPDX-License-Identifier: MIT
#pragma once

#include "protocol.hpp"

// The effect of each case without a runtime: the baseline.

namespace bench::raw {

void spawn_join_one(flavour where);
void spawn_join_batch(flavour where);
void spawn_remote(flavour where);
void chained_spawn(flavour where);
void yield_1(flavour where);
void yield_1000(flavour where);
void oneshot(flavour where);
void codec_lines(flavour where);
void await_deep(flavour where);
void await_ready(flavour where);
void await_opaque(flavour where);
void timer_arm_cancel(flavour where);
void timer_arm_cancel_live(flavour where);
void timer_arm_cancel_100k(flavour where);
void wake_external(flavour where);
void spawn_blocking(flavour where);

}  // namespace bench::raw
