// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/process/command.hpp>
#include <eddy/process/error.hpp>
#include <eddy/process/stdio.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::process {

/// What a process gives to its successor, and how long it waits for it.
/// Thread safety: a plain value.
/// Lifetime: has duplicates of the sockets, which copies share.
class hand_over_options {
public:
    /// Constructs options without sockets.
    hand_over_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Passes a socket, for example a net::tcp_listener or a net::unix_listener. The successor gets it with this name
    /// from net::inherited_listeners(), in the order of the calls. Duplicates it: the original may be closed.
    template <class T>
        requires requires(const T& object) {
            { object.native_handle() } -> std::convertible_to<int>;
        }
    hand_over_options& listener(std::string name, const T& socket) {
        listeners_.emplace_back(std::move(name), stdio::copy_of(socket));
        return *this;
    }
    /// Passes bytes, which the successor gets from inherited_bytes(). They are in memory without a name, not in a file,
    /// so they may be secret.
    hand_over_options& bytes(std::string data) {
        bytes_ = std::move(data);
        return *this;
    }
    /// Limits the time in which the successor must become ready. The default is 30 s.
    hand_over_options& ready_within(std::chrono::nanoseconds limit) noexcept {
        ready_within_ = limit;
        return *this;
    }

    /// For the library: the options.
    [[nodiscard]] const std::vector<std::pair<std::string, stdio>>& listeners() const noexcept { return listeners_; }
    [[nodiscard]] const std::optional<std::string>& bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::chrono::nanoseconds ready_within() const noexcept { return ready_within_; }

private:
    std::vector<std::pair<std::string, stdio>> listeners_;
    std::optional<std::string> bytes_;
    std::chrono::nanoseconds ready_within_ = std::chrono::seconds(30);
};

/// Starts another process, for example a new version of this program, that takes over the sockets of this one, and
/// waits until it is ready:
///
///     auto options = process::hand_over_options().listener("web", listener);
///     co_await try_(process::hand_over(process::command("/usr/bin/server"), options));
///     end.cancel();  // both processes accept connections until here
///
/// After success, the successor goes on when this process ends. Returns the number of its process. If there is a
/// service manager, it is told that the successor is the main process now; see net::notify_main_process(). A program
/// that goes on nevertheless may call this again when that successor has ended.
///
/// A service has one successor at a time, so that no two of them serve without knowing each other. A call is an error
/// while another one has not ended, while a successor that has taken over runs, and in a successor that has not called
/// net::notify_ready().
///
/// After an error, the successor was killed, and this process is what it was before. Processes that the successor has
/// started, which may have the sockets, are killed only if the command has a group().
///
/// The successor is ready when it, or another process of the same user, has sent the message of net::notify_ready(),
/// as of sd_notify(3), to the socket in NOTIFY_SOCKET. It gets the sockets of net::inherited_listeners():
/// descriptors from 3 on, with LISTEN_FDS and LISTEN_FDNAMES. A program that knows only sd_listen_fds(3) needs its own
/// number in LISTEN_PID, which a shell can set: `command("sh", "-c", "LISTEN_PID=$$ exec server")`.
///
/// The sockets are the same ones, not new ones with the same address, so connections that wait in their queues are not
/// lost, whichever process accepts them. If several sockets have one address (SO_REUSEPORT), each has a queue of its
/// own, which is reset when the last process closes it: pass all of them.
/// Errors: same as command::spawn(); errc::second_successor, and errc::bad_name, before anything is started;
/// errc::ended_before_ready; timed_out; the errors of the sockets of sd_notify(3). They name the program of the
/// successor.
/// Cancel safety: the successor is killed, unless the manager was told before.
/// Preconditions: the command has no descriptor() of its own.
EDDY_API task<result<int>> hand_over(command successor, hand_over_options options = {});

/// Returns the bytes that the predecessor gave to hand_over(), whether that still runs or not. Without a predecessor or
/// bytes, and at each further call, they are empty. The descriptor in EDDY_INHERITED_BYTES must be the one that was
/// passed, by device and inode.
/// Errors: see pread(2).
/// Thread safety: any thread.
[[nodiscard]] EDDY_API eddy::result<std::string> inherited_bytes();

}  // namespace eddy::process
