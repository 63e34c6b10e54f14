// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>

namespace support {

/// Returns whether qemu-user emulates the processor (`./dev cross` sets the variable). It lacks seccomp filters and
/// some socket options, and does not translate all of the data that it passes to the kernel.
[[nodiscard]] inline bool is_emulated() { return std::getenv("EDDY_TEST_EMULATED") != nullptr; }

}  // namespace support
