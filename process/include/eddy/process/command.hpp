// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/process/error.hpp>
#include <eddy/process/stdio.hpp>
#include <eddy/task/task.hpp>

namespace eddy::process {

class child;

/// A resource that command::limit() limits; see setrlimit(2). Sizes are in bytes.
enum class resource : unsigned char {
    address_space,  ///< the memory that is mapped
    core_size,      ///< a core file; 0: none
    cpu_time,       ///< seconds of processor time; at the soft limit SIGXCPU, at the hard limit SIGKILL
    data_size,      ///< the heap
    file_size,      ///< a file that is written; otherwise SIGXFSZ
    locked_memory,  ///< memory that is not swapped out
    open_files,     ///< one more than the largest descriptor
    processes,      ///< processes and threads of the user, all together; root has no limit
    stack_size,     ///< the stack of the main thread
};

/// No limit of a resource.
inline constexpr std::uint64_t unlimited = ~std::uint64_t{0};

namespace detail {

struct terminal_slave;

/// The rights of a process. An object without changes leaves all as they are.
struct process_rights {
    struct identity {
        std::uint32_t user;
        std::uint32_t group;
        std::vector<std::uint32_t> groups;
    };
    struct limit {
        resource what;
        std::uint64_t soft;
        std::uint64_t hard;
    };
    std::optional<identity> who;
    std::string user_name;  // if it is empty, `who` says the user
    std::vector<limit> limits;
    std::optional<int> priority;
    std::string root;
    bool gains_none = false;
    std::optional<int> signal_of_parent;

    /// Whether posix_spawn(3) cannot set them.
    [[nodiscard]] bool is_changed() const noexcept {
        return who || !user_name.empty() || !limits.empty() || priority || !root.empty() || gains_none ||
               signal_of_parent;
    }
};

/// The order of environment variables in a map: by their names, without regard to case on Windows.
struct EDDY_API variable_order {
    bool operator()(const std::string& a, const std::string& b) const;
};

}  // namespace detail

/// A program to start, and how:
///
///     auto child = co_await try_(process::command("gzip", "-c", path).out(process::stdio::pipe()).spawn());
///
/// A program without a slash is searched for in the directories of PATH, of the environment that it will have. One with
/// a slash is relative to directory(). Nothing is passed to a shell.
///
/// The process has only descriptors 0 to 2 and the descriptors set by descriptor(). It has no blocked signals, the
/// default action for each signal, and the processors that the main thread may use. It has the nice value of a thread
/// that has started a process.
/// Thread safety: a plain value. A command may be started more than once.
class EDDY_API command {
public:
    /// Constructs a command with arguments, which follow the name of the program.
    template <class... Args>
        requires(std::convertible_to<Args, std::string> && ...)
    explicit command(std::string program, Args&&... args) : program_(std::move(program)) {
        (arg(std::forward<Args>(args)), ...);
    }

    /// Adds an argument.
    command& arg(std::string value);
    /// Adds arguments.
    command& args(std::vector<std::string> values);
    /// Sets argument 0, which is the name of the program by default.
    command& arg0(std::string value);
    /// Sets an environment variable. The others come from this process, without a service manager's variables about its
    /// descriptors and its watchdog: LISTEN_*, WATCHDOG_*, EDDY_PREDECESSOR, EDDY_INHERITED and EDDY_INHERITED_BYTES.
    command& env(std::string name, std::string value);
    /// Removes an environment variable.
    command& env_remove(std::string name);
    /// Removes all environment variables. Those that are set afterwards are the only ones.
    command& clear_env();
    /// Sets the working directory. By default it is this process's.
    command& directory(const std::filesystem::path& path);
    /// Sets standard input, output or error. The default is inherit(); run() has other defaults.
    command& in(stdio what);
    command& out(stdio what);
    command& error(stdio what);
    /// Gives the process a further descriptor with this number, which is above 2: stdio::copy_of() or from_native().
    command& descriptor(int number, stdio what);
    /// Puts the process into a new process group. The child object then signals and kills the whole group, with the
    /// processes that this one starts.
    ///
    /// Without a group, only the process itself is killed, and it is in the group of this process: signals of the
    /// terminal (Ctrl-C) reach it, and it may read from the terminal.
    command& group();
    /// Makes the process the leader of a new session, without a terminal, and of a new group.
    command& session();

    // ---- Rights. Linux only: elsewhere, spawn() fails with not_supported. ----

    /// Runs the program as a user, with the user's group and other groups in the system's database, as su(1) does. The
    /// environment stays as it is: set HOME and USER if the program reads them. This program needs the right to change
    /// its user, so it is root, or has CAP_SETUID and CAP_SETGID.
    /// Errors of spawn(): errc::no_user.
    command& user(std::string name);
    /// Same as above, by numbers. The process is in no other groups than these: by default it has none of the groups
    /// of this program, which root may have given it.
    command& user(std::uint32_t id, std::uint32_t group, std::vector<std::uint32_t> other_groups = {});
    /// Sets a limit. The process, and those that it starts, may raise the soft one up to the hard one, which is the
    /// same by default. A limit is set before the user is changed, so root may raise a hard limit for another user.
    command& limit(resource what, std::uint64_t soft, std::optional<std::uint64_t> hard = std::nullopt);
    /// Sets the nice value, from -20 (first) to 19 (last). Values below this program's need CAP_SYS_NICE.
    command& priority(int nice);
    /// Executes no program with more rights than the process has (PR_SET_NO_NEW_PRIVS): set-user-ID, set-group-ID and
    /// capabilities of files have no effect, also in all processes that it starts.
    command& no_new_privileges();
    /// Makes a directory the root of all paths (chroot(2)), before the user is changed and directory() is entered,
    /// which is "/" by default. The program, its interpreter and its libraries are those in the directory, and so is
    /// /dev/null for the program, but not for stdio::null(). Needs CAP_SYS_CHROOT. It confines no process that is root,
    /// and no process with an open directory outside, which descriptor() may pass on.
    command& root(const std::filesystem::path& path);
    /// Sends the process a signal when this program ends (PR_SET_PDEATHSIG): 9, SIGKILL, cannot be ignored. Traps:
    ///
    /// - Only the process itself gets it. Those that it has started go on, unless it ends them.
    /// - The system sends it when the thread ends that has started the process. So a thread of the library then stays
    ///   until the end of this program. execve(2) by this program ends the thread, too.
    /// - A program with more rights than its caller (set-user-ID, capabilities of files) does not get it; see
    ///   no_new_privileges(). A process that changes its user itself loses it.
    /// - In a process that was forked from this one, nothing is sent when that one ends.
    ///
    /// Without these traps, and on all systems: a program of your own may read from a pipe, `in(stdio::pipe())`, whose
    /// end it sees when this program ends, however that happens.
    command& signal_on_parent_end(int signal = 9);

    /// Starts the process.
    /// Errors: errc::nul_character, errc::bad_variable, errc::bad_stream, errc::bad_descriptor; what pipe2(2),
    /// clone(2), chdir(2) and execve(2) report; on Windows errc::unsafe_argument, and what CreateProcessW() reports.
    /// They name the program, and its interpreter if the system cannot execute that: "prog: No such file or directory
    /// (interpreter /bin/sh4)", or the part of the command that the system refuses: "prog: Operation not permitted
    /// (user)".
    /// Cancel safety: a process that no thread has begun to start does not exist. One that has started is killed.
    /// Thread safety: reads the environment of this program at the first poll, on that thread. In a process that is
    /// forked during the start, the future does not end.
    /// Lifetime: the future owns a copy of the command.
    /// Cost: the time of posix_spawn(3), or of vfork(2) and execve(2) if the rights are changed, on a thread of the
    /// library, which starts one process after another, and a switch to that thread and back. It does not depend on the
    /// memory that this process uses. A start that lasts for more than 50 ms, because a file system does not answer,
    /// does not delay others, as long as fewer than 32 do.
    task<result<child>> spawn(std::source_location where = std::source_location::current()) const;

    // ---- For the library ----

    /// The parts of the command.
    [[nodiscard]] const std::string& program() const noexcept { return program_; }
    [[nodiscard]] const std::optional<stdio>& in() const noexcept { return in_; }
    [[nodiscard]] const std::optional<stdio>& out() const noexcept { return out_; }
    [[nodiscard]] const std::optional<stdio>& error() const noexcept { return error_; }
    [[nodiscard]] const std::map<int, stdio>& descriptors() const noexcept { return descriptors_; }
    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }
    [[nodiscard]] bool has_group() const noexcept { return has_group_ || has_session_; }
    [[nodiscard]] bool has_session() const noexcept { return has_session_; }
    /// The arguments, including number 0.
    [[nodiscard]] std::vector<std::string> argument_list() const;
    /// The variables, including this process's: "NAME=value".
    [[nodiscard]] std::vector<std::string> environment() const;
    /// Starts the process in a terminal, which the last copy of the command closes: see terminal::spawn().
    void start_in(std::shared_ptr<const detail::terminal_slave> terminal) noexcept;
    [[nodiscard]] const detail::terminal_slave* terminal() const noexcept { return terminal_.get(); }
    [[nodiscard]] const detail::process_rights& rights() const noexcept { return rights_; }
    /// Returns the error of a part that the system would not take.
    [[nodiscard]] std::optional<process::error> find_mistake() const;

private:
    std::string program_;
    std::optional<std::string> arg0_;
    std::vector<std::string> args_;
    std::map<std::string, std::optional<std::string>, detail::variable_order> changed_;  // nullopt: removed
    bool clears_ = false;
    std::string directory_;
    std::optional<stdio> in_;
    std::optional<stdio> out_;
    std::optional<stdio> error_;
    std::map<int, stdio> descriptors_;
    bool has_group_ = false;
    bool has_session_ = false;
    std::shared_ptr<const detail::terminal_slave> terminal_;
    detail::process_rights rights_;
};

}  // namespace eddy::process
