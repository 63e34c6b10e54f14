// SPDX-License-Identifier: MIT
#pragma once

#include "sys/socket_api.hpp"

namespace eddy::sys {

/// Counts a console event as a signal, and rings its bells. Windows calls this function for each event, on a thread
/// that it creates for this purpose.
///
///     event                                          signal
///     Ctrl-C                                         SIGINT
///     Ctrl-Break                                     SIGBREAK
///     the console is closed, log-off, shutdown       SIGTERM
///
/// Returns FALSE if no stream counts the signal: the system then ends the process. Does not return for SIGTERM, because
/// the system ends the process when the function returns, or after some seconds. Until then the program can end by
/// itself.
BOOL WINAPI on_console_event(DWORD event);

}  // namespace eddy::sys
