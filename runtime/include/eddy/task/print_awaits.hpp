// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/detail/export.hpp>

namespace eddy {

/// Prints, on standard error, the source location of each `co_await` of a future at which a coroutine of this process
/// is suspended, and the number of these coroutines. It is for programs that hang. Call it on a timer, on a signal, as
/// Go does on SIGQUIT, or, if all threads are blocked, in a debugger (`call (void)'eddy::print_awaits()'()`):
///     auto quits = co_await try_(signal::stream(signal::kind::quit()));
///     while (co_await quits.next()) eddy::print_awaits();
/// Only coroutines that are compiled with EDDY_CHECKS (in Debug builds) are counted. For `co_await f()`, where `f`
/// returns a task, only the location inside of `f` at which it waits is printed. If `f` is a function of eddy, the
/// location of this co_await is printed. Coroutines that no code of the program awaits directly are printed as "(inside
/// of eddy)". Tasks in yield_now() are not printed.
/// Thread safety: any thread, but not in a signal handler.
EDDY_API void print_awaits();

}  // namespace eddy
