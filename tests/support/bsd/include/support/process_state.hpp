// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string_view>

// See tests/support/process_state.hpp.

namespace support {

/// Returns the number of descriptors of this process. Their objects have no names here, so `what` must be empty.
std::size_t count_fds(std::string_view what = "");

/// Returns whether the thread of this process sleeps in the kernel.
bool is_asleep(pid_t thread);

}  // namespace support
