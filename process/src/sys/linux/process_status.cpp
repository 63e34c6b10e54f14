// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "sys/pipe_ends.hpp"
#include "sys/processes.hpp"
#include "sys/syscall.hpp"

namespace eddy::sys {

result<std::size_t> pipe_size(const process::pipe_receiver& pipe) noexcept {
    return count_or_error(::fcntl(pipe.native_handle(), F_GETPIPE_SZ));
}

std::string signal_name(int number) {
    const char* const name = ::sigabbrev_np(number);
    return name == nullptr ? std::string() : std::string("SIG") + name;
}

void name_own_thread() noexcept { ::pthread_setname_np(::pthread_self(), "eddy-process"); }

void take_affinity_of_main_thread() noexcept {
    cpu_set_t of_main;
    if (::sched_getaffinity(::getpid(), sizeof of_main, &of_main) == 0) {
        static_cast<void>(::sched_setaffinity(0, sizeof of_main, &of_main));
    }
}

// Safe after the start: only this library waits for the process, so its number is not used again before. If the program
// ignores SIGCHLD, the process may be gone, and take_exit_status() says so. Other errors (ENOSYS, EMFILE) leave a
// process without a pidfd.
unique_fd open_pidfd(int id) noexcept {
    unique_fd fd(static_cast<int>(::syscall(SYS_pidfd_open, id, 0)));
    if (fd && !move_above_standard(fd)) fd.reset();
    return fd;
}

namespace {

/// What waitid(2) writes: the kernel's struct rusage, which may differ from the C library's on 32-bit systems.
struct kernel_usage {
    long user_s;
    long user_us;
    long system_s;
    long system_us;
    long max_kib;
    long rest[13];  // NOLINT(modernize-avoid-c-arrays): the layout of the kernel
};

/// waitid(3) of the C library does not pass the usage. Returns an error number, or 0.
int wait_without_blocking(idtype_t type, int id, int options, siginfo_t& info, kernel_usage& usage) noexcept {
    const auto answer =
        retry_interrupted([&] { return ::syscall(SYS_waitid, type, id, &info, options | WNOHANG, &usage); });
    return answer < 0 ? errno : 0;
}

process::exit_status::usage converted(const kernel_usage& from) noexcept {
    using std::chrono::microseconds;
    using std::chrono::seconds;
    return {seconds(from.user_s) + microseconds(from.user_us), seconds(from.system_s) + microseconds(from.system_us),
            static_cast<std::uint64_t>(from.max_kib) * 1024};
}

}  // namespace

result<std::optional<process::exit_status>> take_exit_status(const started_process& of, bool keep) noexcept {
    siginfo_t info{};
    kernel_usage usage{};
    const int options = WEXITED | (keep ? WNOWAIT : 0);
    // By the pidfd, if there is one: the number could belong to another child if other code has waited for all. Linux
    // 5.3 has pidfds, but no P_PIDFD (EINVAL).
    int error = of.watched ? wait_without_blocking(P_PIDFD, of.watched.get(), options, info, usage) : EINVAL;
    if (error != 0 && error != ECHILD) error = wait_without_blocking(P_PID, of.id, options, info, usage);
    if (error != 0) return std::unexpected(std::error_code(error, std::generic_category()));
    if (info.si_pid == 0) return std::nullopt;
    if (info.si_code == CLD_EXITED) return process::exit_status::of_code(info.si_status, converted(usage));
    return process::exit_status::of_signal(info.si_status, info.si_code == CLD_DUMPED, converted(usage));
}

int stream_waited_for(const started_process& of) noexcept {
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/%d/syscall", of.id);
    const unique_fd file(::open(path.data(), O_RDONLY | O_CLOEXEC));
    std::array<char, 64> text{};
    if (::read(file.get(), text.data(), text.size() - 1) <= 0) return -1;
    // The number of the call, and its first argument in hexadecimal. Another text if the process does not wait.
    long call = -1;
    unsigned fd = 0;
    if (std::sscanf(text.data(), "%ld 0x%x", &call, &fd) != 2) return -1;  // NOLINT(cert-err34-c): of the kernel
    if (call == SYS_read && fd == STDIN_FILENO) return STDIN_FILENO;
    const bool writes = call == SYS_write || call == SYS_writev;
    return writes && (fd == STDOUT_FILENO || fd == STDERR_FILENO) ? static_cast<int>(fd) : -1;
}

result<void> send_signal(const started_process& to, int number) noexcept {
    if (!to.watched) return done_or_error(::kill(to.id, number));
    return done_or_error(static_cast<int>(::syscall(SYS_pidfd_send_signal, to.watched.get(), number, nullptr, 0)));
}

}  // namespace eddy::sys
