// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/process/command.hpp>
#include <eddy/process/exit_status.hpp>
#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Child processes. Only start_process() and wait_for_end() block. Errors come from the system call.
namespace eddy::sys {

extern const int sigterm;
extern const int sigkill;
extern const int no_child_process;  // ECHILD

/// Replaces a descriptor by one above 2: a source of dup2(2) must not be a target, too.
[[nodiscard]] result<void> move_above_standard(unique_fd& fd) noexcept;
/// Duplicates a descriptor. The copy is close-on-exec, and its number is not less than `least`. Numbers have no meaning
/// on Windows.
/// Errors: invalid_argument if this process cannot have such a number.
[[nodiscard]] result<unique_fd> duplicate_from(int fd, int least) noexcept;

/// Returns "SIGKILL" for 9; "" for a number without a name.
[[nodiscard]] std::string signal_name(int number);
/// Whether the name of an environment variable comes before another one: names that differ only in case are the same on
/// Windows.
[[nodiscard]] bool variable_precedes(std::string_view a, std::string_view b);
/// Returns the environment of this process: "NAME=value".
[[nodiscard]] std::vector<std::string> environment_of_this_process();
/// Lets the calling thread run where the main thread may, if the system permits it.
void take_affinity_of_main_thread() noexcept;
/// Names the calling thread "eddy-process", for debuggers.
void name_own_thread() noexcept;

/// A process to start.
struct start_request {
    /// Values of `standard` that are not descriptors.
    static constexpr int inherited = -1;
    static constexpr int null_device = -2;
    static constexpr int same_as_out = -3;

    std::string program;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::string directory;                                         // "": this process's
    std::array<int, 3> standard{inherited, inherited, inherited};  // descriptors are above 2
    std::vector<std::pair<int, int>> further;  // numbers, in order, and descriptors, which are above all numbers
    bool has_group = false;
    bool has_session = false;
    /// A terminal that is to control the session, and a descriptor of it, which `standard` may have; "" and -1 if there
    /// is none.
    std::string terminal;
    int terminal_fd = -1;

    process::detail::process_rights rights = {};  // without a user's name

    /// Set by a start that fails: the interpreter of the program, if the error is about that.
    std::string bad_interpreter = {};
    /// Set by a start that fails: what the process has tried before it would execute the program.
    const char* failed_step = nullptr;
};

/// A process that has started. `watched` is a pidfd, which becomes readable when the process ends, or the handle of the
/// process. It is empty if the system has none. `job` is the group on Windows: a job object.
struct started_process {
    int id = 0;
    unique_fd watched;
    unique_fd job = {};
};

/// Returns a pidfd of a process that was not reaped. Returns an empty object if there is none.
[[nodiscard]] unique_fd open_pidfd(int id) noexcept;

/// Starts a process. Returns when it executes its program.
///
/// A file that was just written may be busy (ETXTBSY) while a process that another thread has forked has not executed
/// its program. That is retried three times.
[[nodiscard]] result<started_process> start_process(start_request& what);

/// Returns how the process has ended; nullopt if it has not. The process stays a zombie if `keep` is true.
/// Errors: no_child_process if the system has no status.
[[nodiscard]] result<std::optional<process::exit_status>> take_exit_status(const started_process& of,
                                                                           bool keep) noexcept;
/// Returns the standard stream that the process waits for: 0 in read(2), 1 or 2 in write(2). Returns -1 if it does
/// something else, or if the system does not tell.
[[nodiscard]] int stream_waited_for(const started_process& of) noexcept;

/// Waits until the process has ended, and leaves it a zombie.
void wait_for_end(const started_process& process) noexcept;

/// Sends a signal to the process, or to the group whose leader it was at its start.
[[nodiscard]] result<void> send_signal(const started_process& to, int number) noexcept;
[[nodiscard]] result<void> send_signal_to_group(const started_process& to, int number) noexcept;
/// Returns whether the process is in that group: a process may move to another one.
[[nodiscard]] bool is_in_own_group(const started_process& of) noexcept;
/// Lets the group go on after this object, and after this program.
void let_group_go(const started_process& process) noexcept;

}  // namespace eddy::sys
