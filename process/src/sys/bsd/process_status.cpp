// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__FreeBSD__)
#include <pthread_np.h>
#endif

#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>

#include "sys/pipe_ends.hpp"
#include "sys/processes.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

// The systems do not tell. Pipes grow up to this size.
result<std::size_t> pipe_size(const process::pipe_receiver&) noexcept { return std::size_t{64} * 1024; }

std::string signal_name(int number) {
    if (number <= 0 || number >= NSIG) return {};
    std::string name = "SIG";
    for (const char* each = sys_signame[number]; each != nullptr && *each != '\0'; ++each) {
        name += static_cast<char>(std::toupper(static_cast<unsigned char>(*each)));  // macOS: "kill"
    }
    return name;
}

void name_own_thread() noexcept {
#if defined(__APPLE__)
    ::pthread_setname_np("eddy-process");
#else
    ::pthread_set_name_np(::pthread_self(), "eddy-process");
#endif
}

void take_affinity_of_main_thread() noexcept {}

unique_fd open_pidfd(int) noexcept { return {}; }

namespace {

process::exit_status::usage converted(const rusage& from) noexcept {
    const auto time = [](const timeval& of) {
        return std::chrono::seconds(of.tv_sec) + std::chrono::microseconds(of.tv_usec);
    };
#if defined(__APPLE__)
    constexpr std::uint64_t unit = 1;
#else
    constexpr std::uint64_t unit = 1024;
#endif
    return {time(from.ru_utime), time(from.ru_stime), static_cast<std::uint64_t>(from.ru_maxrss) * unit};
}

#if defined(__APPLE__)

/// Only wait4(2) tells what the process has used, and it takes the zombie away. So a process that is kept has used
/// nothing. Returns an error number, or 0.
int wait_without_blocking(int id, bool keep, siginfo_t& info, process::exit_status::usage& used) noexcept {
    if (::waitid(P_PID, static_cast<id_t>(id), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return errno;
    if (keep || info.si_pid == 0) return 0;
    rusage usage{};
    int status = 0;
    if (::wait4(id, &status, WNOHANG, &usage) < 0) return errno;
    used = converted(usage);
    // waitid(2) of macOS has only the low bits of the code in some versions.
    info.si_status = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return 0;
}

#else

/// Returns an error number, or 0.
int wait_without_blocking(int id, bool keep, siginfo_t& info, process::exit_status::usage& used) noexcept {
    __wrusage usage{};
    int status = 0;
    const int options = WEXITED | WNOHANG | (keep ? WNOWAIT : 0);
    if (::wait6(P_PID, id, &status, options, &usage, &info) < 0) return errno;
    used = converted(usage.wru_self);
    return 0;
}

#endif

}  // namespace

result<std::optional<process::exit_status>> take_exit_status(const started_process& of, bool keep) noexcept {
    siginfo_t info{};
    process::exit_status::usage used;
    int error = EINTR;
    while (error == EINTR) error = wait_without_blocking(of.id, keep, info, used);
    if (error != 0) return std::unexpected(std::error_code(error, std::generic_category()));
    if (info.si_pid == 0) return std::nullopt;
    if (info.si_code == CLD_EXITED) return process::exit_status::of_code(info.si_status & 0xff, used);
    return process::exit_status::of_signal(info.si_status, info.si_code == CLD_DUMPED, used);
}

int stream_waited_for(const started_process&) noexcept { return -1; }

// running_process sends signals only to a process that it has not reaped, so the number belongs to the process.
result<void> send_signal(const started_process& to, int number) noexcept {
    return done_or_error(::kill(to.id, number));
}

}  // namespace eddy::sys
