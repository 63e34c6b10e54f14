// SPDX-License-Identifier: MIT
#pragma once

#include "protocol.hpp"

// The cases of TooManyCooks.

namespace bench::peer {

void spawn_join_one(flavour where);
void spawn_join_batch(flavour where);
void spawn_remote(flavour where);
void chained_spawn(flavour where);
void chained_spawn_ref(flavour where);
void pingpong_chan(flavour where);
void skynet(flavour where);
void fib30(flavour where);
void mem_parked(flavour where);

}  // namespace bench::peer
