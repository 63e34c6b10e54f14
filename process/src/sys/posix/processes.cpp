// SPDX-License-Identifier: MIT
#include "sys/processes.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <crt_externs.h>
#elif defined(__FreeBSD__)
extern char** environ;
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string_view>
#include <thread>

#include "sys/inherited.hpp"
#include "sys/interpreter.hpp"
#include "sys/rights.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

const int sigterm = SIGTERM;
const int sigkill = SIGKILL;
const int no_child_process = ECHILD;

result<void> move_above_standard(unique_fd& fd) noexcept {
    if (fd.get() > STDERR_FILENO) return {};
    auto moved = duplicate(fd.get());
    if (!moved) return std::unexpected(moved.error());
    fd = std::move(*moved);
    return {};
}

result<unique_fd> duplicate_from(int fd, int least) noexcept {
    return own_or_error(::fcntl(fd, F_DUPFD_CLOEXEC, least));
}

bool variable_precedes(std::string_view a, std::string_view b) { return a < b; }

std::vector<std::string> environment_of_this_process() {
    std::vector<std::string> all;
#if defined(__APPLE__)
    char** const environ = *::_NSGetEnviron();  // libraries do not have the variable
#endif
    for (char** each = environ; each != nullptr && *each != nullptr; ++each) all.emplace_back(*each);
    return all;
}

namespace {

std::error_code error_of(int number) noexcept { return {number, std::generic_category()}; }

/// Pointers to the strings, and a null pointer.
std::vector<char*> pointers_to(std::vector<std::string>& strings) {
    std::vector<char*> all;
    all.reserve(strings.size() + 1);
    for (auto& each : strings) all.push_back(each.data());
    all.push_back(nullptr);
    return all;
}

/// The attributes and file actions of posix_spawn(3). Most calls only fail for lack of memory.
class spawn_options {
public:
    spawn_options() noexcept {
        note(::posix_spawnattr_init(&attributes_));
        note(::posix_spawn_file_actions_init(&actions_));
    }
    spawn_options(const spawn_options&) = delete;
    spawn_options& operator=(const spawn_options&) = delete;
    ~spawn_options() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    /// Returns the first error, or 0.
    int apply(const start_request& what) noexcept {
        sigset_t none;
        sigset_t all;
        static_cast<void>(sigemptyset(&none));  // macros on macOS
        static_cast<void>(sigfillset(&all));
        int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | flag_to_close;
        if (what.has_session) {
            flags |= flag_of_session;  // a leader of a session is the leader of a group
            if (flag_of_session == 0) note(ENOTSUP);
        } else if (what.has_group) {
            flags |= POSIX_SPAWN_SETPGROUP;  // 0, which is the default, stands for its own id
        }
        note(::posix_spawnattr_setsigmask(&attributes_, &none));
        note(::posix_spawnattr_setsigdefault(&attributes_, &all));
        note(::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags)));
        if (!what.terminal.empty()) {
            // The leader of a session without a terminal gets the one that it opens first, unless O_NOCTTY is set.
            // Therefore the process opens it again, under the same number.
            note(::posix_spawn_file_actions_addopen(&actions_, what.terminal_fd, what.terminal.c_str(), O_RDWR, 0));
        }
        for (int fd = 0; fd < 3; ++fd) redirect(fd, source_of(fd, what.standard));
        close_rest(give_further(what));
        if (!what.directory.empty()) {
            note(::posix_spawn_file_actions_addchdir_np(&actions_, what.directory.c_str()));
        }
        return error_;
    }

    /// Returns an error number, or 0.
    int start(pid_t& id, start_request& what, const program_file& program) {
        constexpr int most_retries = 3;
        auto pause = std::chrono::milliseconds(1);
        for (int retries = 0;; ++retries, pause *= 4) {
            const int error = what.rights.is_changed() ? start_with_rights(id, what, sources_of(what.standard), program)
                                                       : ::posix_spawn(&id, program.path, &actions_, &attributes_,
                                                                       program.arguments, program.environment);
            if (error != ETXTBSY || retries == most_retries) return error;
            std::this_thread::sleep_for(pause);
        }
    }

private:
    void note(int error) noexcept {
        if (error_ == 0) error_ = error;
    }
    /// Returns the number from which on all descriptors are closed.
    int give_further(const start_request& what) noexcept {
        int next = STDERR_FILENO + 1;
        for (const auto& [number, from] : what.further) {
            for (; next != number; ++next) close(next);
            note(::posix_spawn_file_actions_adddup2(&actions_, from, number));
            ++next;
        }
        return next;
    }
    /// Standard error may have the same source as standard output, if this program passes that on.
    static int source_of(int fd, const std::array<int, 3>& standard) noexcept {
        const int from = standard[static_cast<std::size_t>(fd)];
        const bool is_as_closed = from == start_request::same_as_out && standard[1] == start_request::inherited &&
                                  !may_be_inherited(STDOUT_FILENO);
        return is_as_closed ? closed_stream : from;
    }
    static std::array<int, 3> sources_of(const std::array<int, 3>& standard) noexcept {
        return {source_of(0, standard), source_of(1, standard), source_of(2, standard)};
    }
    void redirect(int fd, int to) noexcept {
        switch (to) {
        case start_request::inherited:
            if (may_be_inherited(fd)) keep(fd);
            break;
        case closed_stream: close(fd); break;
        case start_request::null_device:
            note(::posix_spawn_file_actions_addopen(&actions_, fd, "/dev/null", O_RDWR, 0));
            break;
        case start_request::same_as_out: note(::posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, fd)); break;
        default: note(::posix_spawn_file_actions_adddup2(&actions_, to, fd));
        }
    }

    // The process gets only the descriptors of the request. macOS closes all others, also standard ones; other
    // systems close those from a number on.
#if defined(POSIX_SPAWN_CLOEXEC_DEFAULT)
    static constexpr int flag_to_close = POSIX_SPAWN_CLOEXEC_DEFAULT;
    void keep(int fd) noexcept { note(::posix_spawn_file_actions_addinherit_np(&actions_, fd)); }
    void close(int) noexcept {}
    void close_rest(int) noexcept {}
#else
    static constexpr int flag_to_close = 0;
    void keep(int) noexcept {}
    void close(int fd) noexcept { note(::posix_spawn_file_actions_addclose(&actions_, fd)); }
    void close_rest(int from) noexcept { note(::posix_spawn_file_actions_addclosefrom_np(&actions_, from)); }
#endif
#if defined(POSIX_SPAWN_SETSID)
    static constexpr int flag_of_session = POSIX_SPAWN_SETSID;
#else
    static constexpr int flag_of_session = 0;  // FreeBSD: a process cannot begin in a session of its own
#endif

    posix_spawnattr_t attributes_;
    posix_spawn_file_actions_t actions_;
    int error_ = 0;
};

/// Returns the value of PATH in an environment, or the default of execvp(3).
std::string_view path_in(const std::vector<std::string>& environment) {
    constexpr std::string_view name = "PATH=";
    const auto found = std::ranges::find_if(environment, [&](const auto& each) { return each.starts_with(name); });
    return found == environment.end() ? std::string_view("/bin:/usr/bin")
                                      : std::string_view(*found).substr(name.size());
}

/// Whether execvp(3) looks in the next directory after this error.
bool means_elsewhere(int error) noexcept {
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == ESTALE || error == ENODEV ||
           error == ETIMEDOUT;
}

/// Notes the interpreter of a program that could not be executed, if the program itself could be.
void note_interpreter(start_request& what, const std::string& path, int error) {
    const bool may_be_about_it = error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP;
    if (!may_be_about_it || !what.bad_interpreter.empty() || !what.rights.root.empty()) return;
    const bool is_below_directory = !what.directory.empty() && !path.starts_with('/');
    const std::string file = is_below_directory ? what.directory + '/' + path : path;
    if (::access(file.c_str(), X_OK) == 0) what.bad_interpreter = interpreter_of(file);
}

int start_file(spawn_options& options, pid_t& id, start_request& what, const std::string& path, char* const* arguments,
               char* const* environment) {
    const int error = options.start(id, what, {path.c_str(), arguments, environment});
    if (error != 0 && what.failed_step == nullptr) note_interpreter(what, path, error);
    return error;
}

/// Starts the program that is in one of the directories of PATH. posix_spawnp(3) would use the PATH of this process.
/// Returns an error number, or 0.
int start_from_path(spawn_options& options, pid_t& id, start_request& what, char* const* arguments,
                    char* const* environment) {
    bool was_denied = false;
    for (std::string_view rest = path_in(what.environment);;) {
        const auto end = rest.find(':');
        std::string candidate(rest.substr(0, end));
        if (!candidate.empty()) candidate += '/';  // an empty entry stands for the working directory
        candidate += what.program;
        // Without a new process for each directory. A relative name is looked up in the directory of the process.
        const bool is_known =
            candidate.starts_with('/') && what.rights.root.empty() && ::access(candidate.c_str(), X_OK) != 0;
        const int error = is_known ? errno : start_file(options, id, what, candidate, arguments, environment);
        if (!means_elsewhere(error) || what.failed_step != nullptr) return error;
        if (error == EACCES) was_denied = true;
        if (end == std::string_view::npos) return was_denied ? EACCES : ENOENT;
        rest.remove_prefix(end + 1);
    }
}

/// Returns the error of a working directory that does not exist or is none. The error of the start could be one that
/// start_from_path() takes for a program's in another directory of PATH.
int error_of_directory(const std::string& path) noexcept {
    struct stat found{};
    if (::stat(path.c_str(), &found) != 0) return errno;
    return S_ISDIR(found.st_mode) ? 0 : ENOTDIR;
}

int start_program(spawn_options& options, pid_t& id, start_request& what, char* const* arguments,
                  char* const* environment) {
    if (!what.directory.empty() && what.rights.root.empty()) {
        if (const int error = error_of_directory(what.directory); error != 0) return error;
    }
    if (!what.program.contains('/')) return start_from_path(options, id, what, arguments, environment);
    return start_file(options, id, what, what.program, arguments, environment);
}

}  // namespace

result<started_process> start_process(start_request& what) {
    spawn_options options;
    if (const int error = options.apply(what); error != 0) return std::unexpected(error_of(error));
    const auto arguments = pointers_to(what.arguments);
    const auto environment = pointers_to(what.environment);
    pid_t id = 0;
    const int error = start_program(options, id, what, arguments.data(), environment.data());
    if (error != 0) return std::unexpected(error_of(error));
    return started_process{id, open_pidfd(id)};
}

void wait_for_end(const started_process& process) noexcept {
    siginfo_t info{};
    retry_interrupted([&] { return ::waitid(P_PID, static_cast<id_t>(process.id), &info, WEXITED | WNOWAIT); });
}

result<void> send_signal_to_group(const started_process& to, int number) noexcept {
    return done_or_error(::kill(-to.id, number));
}

bool is_in_own_group(const started_process& of) noexcept { return ::getpgid(of.id) == of.id; }

void let_group_go(const started_process&) noexcept {}

}  // namespace eddy::sys
