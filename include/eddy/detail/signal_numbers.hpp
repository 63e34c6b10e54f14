// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>

// The numbers of signals, also of those that the system does not have.
namespace eddy::inline v0_1::detail::signal_number {

inline constexpr int interrupt = SIGINT;
inline constexpr int terminate = SIGTERM;
#if defined(_WIN32)
// Windows does not raise these. The numbers are those of Linux.
inline constexpr int hangup = 1;
inline constexpr int quit = 3;
inline constexpr int user_defined1 = 10;
inline constexpr int user_defined2 = 12;
inline constexpr int pipe = 13;
inline constexpr int alarm = 14;
inline constexpr int child = 17;
inline constexpr int window_change = 28;
inline constexpr int io = 29;
#else
inline constexpr int hangup = SIGHUP;
inline constexpr int quit = SIGQUIT;
inline constexpr int user_defined1 = SIGUSR1;
inline constexpr int user_defined2 = SIGUSR2;
inline constexpr int pipe = SIGPIPE;
inline constexpr int alarm = SIGALRM;
inline constexpr int child = SIGCHLD;
inline constexpr int window_change = SIGWINCH;
inline constexpr int io = SIGIO;
#endif

}  // namespace eddy::detail::signal_number
