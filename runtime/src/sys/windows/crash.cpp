// SPDX-License-Identifier: MIT
#include "sys/crash.hpp"

namespace eddy::sys {

void on_crash(void (*)() noexcept) noexcept {}

}  // namespace eddy::sys
