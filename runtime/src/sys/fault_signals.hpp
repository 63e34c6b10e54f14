// SPDX-License-Identifier: MIT
#pragma once

#include <signal.h>

#include <array>

namespace eddy::sys {

/// The signals that the kernel sends for what the thread that gets it has done, and the signal of abort(3). A thread
/// that sleeps causes none. While a thread blocks them, a fault in it ends the process without its handler.
inline constexpr std::array fault_signals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};

}  // namespace eddy::sys
