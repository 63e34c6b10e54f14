// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::sys {

/// Calls `f` once when the process crashes (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT), in the signal handler, on the
/// signal stack of the thread if it has one. Then the handler that the program had before is called, or the process
/// ends as without this function. Further calls replace `f`. Does nothing on Windows.
/// Thread safety: any thread.
void on_crash(void (*f)() noexcept) noexcept;

}  // namespace eddy::sys
