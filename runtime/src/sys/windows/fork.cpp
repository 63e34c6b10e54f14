// SPDX-License-Identifier: MIT
#include "sys/fork.hpp"

// Windows cannot fork a process.

namespace eddy::sys {

std::uint64_t fork_generation() noexcept { return 0; }

void call_in_children(void (*)()) noexcept {}

void hold_during_forks(void (*)(), void (*)(), void (*)()) noexcept {}

}  // namespace eddy::sys
