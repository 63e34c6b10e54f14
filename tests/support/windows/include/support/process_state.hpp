// SPDX-License-Identifier: MIT
#pragma once

#include <support/windows/posix.hpp>

#include <cstddef>
#include <string_view>

// See tests/support/process_state.hpp.

namespace support {

/// Returns the number of sockets. Their kinds have no names, so `what` must be empty.
std::size_t count_fds(std::string_view what = "");

/// Returns whether the thread has not used the processor for 30 ms. Windows does not report whether a thread waits.
bool is_asleep(pid_t thread);

}  // namespace support
