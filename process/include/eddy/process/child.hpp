// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include <eddy/detail/export.hpp>
#include <eddy/process/error.hpp>
#include <eddy/process/exit_status.hpp>
#include <eddy/process/pipe_ends.hpp>
#include <eddy/task/task.hpp>

namespace eddy::process {

namespace detail {

class running_process;

}  // namespace detail

/// A process that command::spawn() has started.
///
/// The destructor kills the process by SIGKILL, and with command::group() or session() the whole group, also if the
/// process itself has ended (not if its status is lost: another group may have the number). It does
/// not wait: a thread of the library takes the exit status, so that no zombie is left. See detach() for a process that
/// goes on. The page process/docs/processes.md has a table of what a drop does. With EDDY_CHECKS, the destructor
/// prints a line if it kills a process that was just started, and no function of the object was called, except in(),
/// out() and error().
///
/// A process with a group stays a zombie from its end until the child object is destroyed, or stop() has ended: the
/// kernel does not give its number to another group before.
///
/// A program with the rights of another user, for example `sudo`, cannot be signaled: kill() and stop() return an
/// error, and the destructor leaves it running.
///
/// In a process that was forked from this one, a child object sends no signals, and the status of a process that has
/// not ended before is errc::status_lost.
/// Thread safety: wait(), try_wait(), signal(), signal_group() and kill() may be called from several threads.
class [[nodiscard("its destructor kills the process: keep it, or call detach()")]] EDDY_API child {
public:
    /// For the library: owns a process, and its ends of pipes.
    child(std::shared_ptr<detail::running_process> process, std::optional<pipe_sender> in,
          std::optional<pipe_receiver> out, std::optional<pipe_receiver> err) noexcept;
    child(child&& other) noexcept = default;
    child& operator=(child&& other) noexcept;
    ~child();

    /// Returns the process id. After the end, another process may have it.
    [[nodiscard]] int id() const;

    /// The other ends of pipes, if the command has stdio::pipe(). They may be moved out: `std::move(*child.in())`, or
    /// destroyed. The process sees the end of its input after `co_await child.in()->shutdown()`, which Windows does not
    /// have, or `child.in().reset()`.
    /// Errors: `*child.out()` throws `misuse` without a pipe.
    [[nodiscard]] optional_pipe<pipe_sender>& in() noexcept { return in_; }
    [[nodiscard]] optional_pipe<pipe_receiver>& out() noexcept { return out_; }
    [[nodiscard]] optional_pipe<pipe_receiver>& error() noexcept { return error_; }

    /// Waits until the process has ended, and returns how. Does not read from the pipes: a process that writes more
    /// than a pipe holds waits for a reader. See run().
    /// Errors: errc::status_lost.
    /// Cancel safety: safe. All calls return the same status.
    /// Lifetime: the child object may be moved or destroyed meanwhile.
    task<result<exit_status>> wait() const;
    /// Returns how the process has ended; nullopt if that is not known yet. Never waits.
    /// Errors: errc::status_lost.
    [[nodiscard]] result<std::optional<exit_status>> try_wait() const;

    /// Sends a signal to the process.
    /// Errors: errc::has_ended; what kill(2) reports; errc::no_signal on Windows. Never reaches another process with
    /// the same id. Without pidfds (before Linux 5.3, other systems), that holds if no other code waits for the
    /// process, and the program does not ignore SIGCHLD.
    result<void> signal(int number) const;
    /// Sends a signal to all processes of the group, also if the process itself has ended.
    /// Errors: errc::no_group without command::group() or session(); the errors of signal().
    result<void> signal_group(int number) const;

    /// Sends SIGKILL to the process, and to all processes of its group. Does nothing if they have ended. Does not wait.
    /// Errors: what kill(2) reports for the process itself: operation_not_permitted if it has the rights of another
    /// user.
    result<void> kill() const;
    /// Sends SIGTERM to the process or its group, waits up to `grace` until the process has ended, then sends SIGKILL.
    /// The rest of a group is killed when the process itself has ended.
    /// Errors: errc::status_lost; the errors of kill(), without waiting.
    /// Cancel safety: safe. The signals that were sent stay sent. Call it again to go on.
    task<result<exit_status>> stop(std::chrono::nanoseconds grace);

    /// Lets the process, and its group, go on after this object. Its end is still waited for in the background while
    /// this program runs. Closes the pipes.
    void detach() &&;

    /// For the library: the process.
    [[nodiscard]] const std::shared_ptr<detail::running_process>& process() const noexcept { return process_; }

private:
    [[nodiscard]] detail::running_process& running() const;

    std::shared_ptr<detail::running_process> process_;
    optional_pipe<pipe_sender> in_;
    optional_pipe<pipe_receiver> out_;
    optional_pipe<pipe_receiver> error_;
};

}  // namespace eddy::process
