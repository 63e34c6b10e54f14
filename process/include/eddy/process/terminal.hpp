// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/io/interest.hpp>
#include <eddy/net/any_call.hpp>
#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/reading.hpp>
#include <eddy/net/socket_owner.hpp>
#include <eddy/net/socket_readiness.hpp>
#include <eddy/net/writing.hpp>
#include <eddy/process/child.hpp>
#include <eddy/process/command.hpp>
#include <eddy/process/error.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::process {

/// The size of a terminal, in characters. `stty size` prints it in this order.
/// Thread safety: a plain value.
struct window_size {
    unsigned short rows = 24;     ///< the number of lines
    unsigned short columns = 80;  ///< the number of characters in a line

    /// Constructs a size of 24 lines and 80 columns.
    window_size() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    /// Constructs a size.
    window_size(unsigned short lines, unsigned short characters) noexcept : rows(lines), columns(characters) {}

    /// Compares the numbers.
    friend bool operator==(const window_size&, const window_size&) noexcept = default;
};

/// How a terminal is made. Programs may change all of it.
/// Thread safety: a plain value.
class terminal_options {
public:
    /// Constructs options for 24 lines and 80 columns, with echo and editing of lines.
    terminal_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Sets the size.
    terminal_options& size(window_size characters) noexcept {
        size_ = characters;
        return *this;
    }
    /// Whether the terminal writes back what it is given. On by default.
    terminal_options& echo(bool on) noexcept {
        echo_ = on;
        return *this;
    }
    /// Passes all bytes unchanged, in both directions: no echo, no editing of lines, no signals of characters such as
    /// Ctrl-C, no "\r\n" for "\n". Off by default.
    terminal_options& raw(bool on) noexcept {
        raw_ = on;
        return *this;
    }

    /// For the library: the options.
    [[nodiscard]] const window_size& size() const noexcept { return size_; }
    [[nodiscard]] bool has_echo() const noexcept { return echo_; }
    [[nodiscard]] bool is_raw() const noexcept { return raw_; }

private:
    window_size size_;
    bool echo_ = true;
    bool raw_ = false;
};

/// A pseudo terminal: a stream of what programs print, and of what a user types.
///
///     auto screen = co_await try_(process::terminal::open());
///     auto shell = co_await try_(screen.spawn(process::command("bash").env("TERM", "xterm-256color")));
///     co_await try_(screen.write_all("ls\n"));
///
/// Reads return what the processes write to the terminal, and the echo of the input. The stream ends when no process
/// has the terminal open. All that they have written is read before. A process that goes on in the background may keep
/// the terminal open after the first one has ended: also wait for the child object.
///
/// Writes are the keys of the user. "\3" is Ctrl-C, which sends SIGINT to the processes in the foreground. "\4" at the
/// beginning of a line is Ctrl-D, the end of input; the function shutdown() does nothing. While no process reads, the
/// terminal takes some KiB, and writes wait, also after the end of the last process. Of a line that is longer than 4095
/// bytes, it discards the rest, unless it is raw.
///
/// The destructor closes the terminal. The kernel then sends SIGHUP to the process that spawn() has started, and to
/// those in the foreground. A shell passes it to its jobs. Destroy the terminal before the child object, whose
/// destructor sends SIGKILL, so that the processes have time for that.
/// Thread safety: one read and one write at a time, on different threads. Any number of tasks may wait for readiness.
/// Lifetime: the terminal must outlive its futures, and must not move while one of them waits.
class EDDY_API terminal : public net::reading<terminal>,
                          public net::writing<terminal>,
                          public eddy::detail::any_call<terminal>,
                          public eddy::detail::socket_owner {
public:
    /// Makes a terminal.
    /// Errors: what open(2) reports for /dev/ptmx, for example too_many_files_open, and no_space_on_device if the
    /// system has no more terminals.
    [[nodiscard]] static eddy::result<terminal> open(const terminal_options& options = {});

    /// Starts a process in the terminal: it leads a new session, which the terminal controls. Streams that the command
    /// does not set are the terminal.
    ///
    /// A terminal controls one session at a time. A process that is started while another one that spawn() has started
    /// runs has the terminal as its streams, without control of jobs and Ctrl-C. TERM in the environment should say
    /// what the terminal understands; "dumb" is always right.
    /// Errors: the errors of command::spawn(), and of open(2) for the terminal.
    /// Cancel safety, cost: same as command::spawn().
    task<result<child>> spawn(command what, std::source_location where = std::source_location::current());

    /// Returns the size.
    /// Errors: see ioctl(2).
    [[nodiscard]] eddy::result<window_size> size() const;
    /// Changes the size. The processes in the foreground get SIGWINCH if it was another one.
    /// Errors: see ioctl(2).
    eddy::result<void> resize(window_size to);

    /// Waits until the terminal is ready for `wanted`. Otherwise same as readable() and writable().
    /// Errors: errc::runtime_shutdown.
    [[nodiscard]] net::socket_readiness ready(io::interest wanted) noexcept { return {socket_, wanted}; }

private:
    explicit terminal(int fd) noexcept : socket_owner(fd, eddy::detail::descriptor_kind::terminal) {}
};

}  // namespace eddy::process
