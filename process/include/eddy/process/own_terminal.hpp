// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/process/terminal.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/async_generator.hpp>

// The terminal that this program runs in. Its keys are the bytes of io::standard_input().

namespace eddy::process {

/// Raw mode of the terminal that this program runs in: each key is read at once, without an echo, and Ctrl-C is a byte;
/// see cfmakeraw(3). The destructor restores the settings of before. They are also restored
///
/// - by exit(), and so at the end of main(), also if an object is left,
/// - by a signal that ends the program: SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU,
///   SIGXFSZ, if its action was the default one when raw mode began. A handler that is installed later, as by
///   signal::stream(), has the signal alone,
/// - by a crash: abort(), an exception that is not caught, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS. A handler
///   from before is called afterwards.
///
/// They are not by SIGKILL, _exit() and execve(2): type `stty sane` then. After SIGSTOP and SIGCONT, the shell may have
/// restored its settings: make a new object.
///
/// Thread safety: one object at a time.
/// Lifetime: in a process that was forked from this one, an object does nothing.
class [[nodiscard("its destructor ends raw mode")]] EDDY_API raw_mode {
public:
    /// Begins raw mode. `fd` is any descriptor of the terminal.
    /// Errors: inappropriate_io_control_operation if it is none, as in a pipe; device_or_resource_busy while there is
    /// another object; not_supported on Windows.
    [[nodiscard]] static eddy::result<raw_mode> begin(int fd = 0);

    raw_mode(raw_mode&& other) noexcept : is_on_(std::exchange(other.is_on_, false)) {}
    raw_mode& operator=(raw_mode&& other) noexcept;
    ~raw_mode();

private:
    raw_mode() noexcept = default;

    bool is_on_ = true;
};

/// Returns the size of the terminal that this program runs in. `fd` is any descriptor of it.
/// Errors: inappropriate_io_control_operation if it is none; not_supported except on Linux.
[[nodiscard]] EDDY_API eddy::result<window_size> own_size(int fd = 1);

/// Returns a stream of the sizes of the terminal: the present one, and each one that differs from the one before. It
/// ends with its event loop.
///
///     auto sizes = co_await try_(process::own_sizes());
///     while (auto size = co_await sizes.next()) draw(*size);
///
/// Errors: same as own_size(); the errors of signal::stream(), which it calls for SIGWINCH.
[[nodiscard]] EDDY_API eddy::result<async_generator<window_size>> own_sizes(int fd = 1);

}  // namespace eddy::process
