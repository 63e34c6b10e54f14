// SPDX-License-Identifier: MIT
#pragma once

namespace eddy::detail {

/// Starts the thread that prints all tasks when the signal of EDDY_DUMP arrives, once in the process, if that variable
/// is set. It runs nothing else, so it also prints while all other threads are blocked. A forked child has no such
/// thread. Prints a message if the variable has no signal's name, or the thread cannot be started.
/// Thread safety: any thread.
void start_dumps_on_signal() noexcept;

}  // namespace eddy::detail
