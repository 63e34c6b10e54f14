// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>

#include <eddy/detail/export.hpp>

// The numbers of signals, also of those that the system does not have.
namespace eddy::detail::signal_number {

inline constexpr int interrupt = SIGINT;
inline constexpr int terminate = SIGTERM;
#ifndef SIGHUP
// Windows does not have these. The numbers are as on Linux.
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

namespace eddy::signal {

/// A signal: one with a name, or any other by its number (for example SIGTSTP).
/// Thread safety: a plain value.
class kind {
public:
    /// Makes a kind from a signal's number: `signal::kind(SIGUSR1)`.
    explicit constexpr kind(int number) noexcept : number_(number) {}
    [[nodiscard]] static constexpr kind from_number(int number) noexcept { return kind(number); }

    /// SIGINT: Ctrl-C in a terminal.
    [[nodiscard]] static constexpr kind interrupt() noexcept { return kind(detail::signal_number::interrupt); }
    /// SIGTERM: the default of kill(1) and of service managers.
    [[nodiscard]] static constexpr kind terminate() noexcept { return kind(detail::signal_number::terminate); }
    /// SIGHUP: the terminal was closed. Daemons use it as a request to reload their configuration.
    [[nodiscard]] static constexpr kind hangup() noexcept { return kind(detail::signal_number::hangup); }
    /// SIGQUIT: Ctrl-\ in a terminal.
    [[nodiscard]] static constexpr kind quit() noexcept { return kind(detail::signal_number::quit); }
    /// SIGUSR1 and SIGUSR2: for any use.
    [[nodiscard]] static constexpr kind user_defined1() noexcept { return kind(detail::signal_number::user_defined1); }
    [[nodiscard]] static constexpr kind user_defined2() noexcept { return kind(detail::signal_number::user_defined2); }
    /// SIGALRM: a timer of alarm(2) or setitimer(2) has expired.
    [[nodiscard]] static constexpr kind alarm() noexcept { return kind(detail::signal_number::alarm); }
    /// SIGCHLD: a child process has stopped or ended.
    [[nodiscard]] static constexpr kind child() noexcept { return kind(detail::signal_number::child); }
    /// SIGIO: a descriptor with O_ASYNC is ready.
    [[nodiscard]] static constexpr kind io() noexcept { return kind(detail::signal_number::io); }
    /// SIGPIPE: a write to a pipe or socket without a reader.
    [[nodiscard]] static constexpr kind pipe() noexcept { return kind(detail::signal_number::pipe); }
    /// SIGWINCH: the terminal's size has changed.
    [[nodiscard]] static constexpr kind window_change() noexcept { return kind(detail::signal_number::window_change); }

    /// Returns SIGRTMIN + `index`, a signal that the system queues; kind(0), which stream() refuses, if it is above
    /// SIGRTMAX or if the system has no such signals (macOS, OpenBSD, Windows). The C library keeps some below SIGRTMIN
    /// for itself, so the numbers are known only when the program runs.
    [[nodiscard]] EDDY_API static kind real_time(int index) noexcept;

    /// Returns the signal's number.
    [[nodiscard]] constexpr int number() const noexcept { return number_; }
    friend constexpr bool operator==(kind, kind) noexcept = default;

private:
    int number_;
};

}  // namespace eddy::signal
