// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>

namespace eddy::signal {

/// Which signal: one of those with a name, or any by its number (SIGRTMIN + 3, say).
class kind {
public:
    [[nodiscard]] static constexpr kind from_number(int number) noexcept { return kind(number); }

    /// Ctrl-C in a terminal.
    [[nodiscard]] static constexpr kind interrupt() noexcept { return kind(SIGINT); }
    /// What service managers, and kill(1), send.
    [[nodiscard]] static constexpr kind terminate() noexcept { return kind(SIGTERM); }
    /// The terminal was closed; daemons take it as a wish to read their configuration again.
    [[nodiscard]] static constexpr kind hangup() noexcept { return kind(SIGHUP); }
    /// Ctrl-\ in a terminal.
    [[nodiscard]] static constexpr kind quit() noexcept { return kind(SIGQUIT); }
    [[nodiscard]] static constexpr kind user_defined1() noexcept { return kind(SIGUSR1); }
    [[nodiscard]] static constexpr kind user_defined2() noexcept { return kind(SIGUSR2); }
    [[nodiscard]] static constexpr kind alarm() noexcept { return kind(SIGALRM); }
    /// A child process has stopped or ended.
    [[nodiscard]] static constexpr kind child() noexcept { return kind(SIGCHLD); }
    [[nodiscard]] static constexpr kind io() noexcept { return kind(SIGIO); }
    [[nodiscard]] static constexpr kind pipe() noexcept { return kind(SIGPIPE); }
    /// The terminal has another size.
    [[nodiscard]] static constexpr kind window_change() noexcept { return kind(SIGWINCH); }

    [[nodiscard]] constexpr int number() const noexcept { return number_; }
    friend constexpr bool operator==(kind, kind) noexcept = default;

private:
    explicit constexpr kind(int number) noexcept : number_(number) {}

    int number_;
};

}  // namespace eddy::signal
