// SPDX-License-Identifier: MIT
#include "support/process/process_faults.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string_view>

// The linker redirects each call of a function to wrapped_*. The functions *_for_real are the originals. The labels are
// the names that `--wrap` of ld(1) defines.
#define EDDY_WRAPPED(Result, name, ...)                           \
    Result name##_for_real(__VA_ARGS__) __asm__("__real_" #name); \
    Result wrapped_##name(__VA_ARGS__) __asm__("__wrap_" #name)

extern "C" {
EDDY_WRAPPED(int, epoll_create1, int flags);
EDDY_WRAPPED(int, epoll_ctl, int queue, int operation, int fd, epoll_event* event);
EDDY_WRAPPED(int, fcntl, int fd, int command, long argument);
EDDY_WRAPPED(int, pipe2, int* fds, int flags);
EDDY_WRAPPED(int, posix_spawn, pid_t* id, const char* path, const posix_spawn_file_actions_t* actions,
             const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment);
EDDY_WRAPPED(long, syscall, long number, long a, long b, long c, long d, long e, long f);
}

namespace {

std::mutex lock;
std::string_view refused;  // guarded by `lock`, as the others
int error_number = 0;
int left = 0;
int passed_first = 0;
int calls_made = 0;

/// Returns whether this call is to fail.
bool fails(std::string_view function) noexcept {
    const std::lock_guard guard(lock);
    if (function != refused) return false;
    ++calls_made;
    if (passed_first > 0) {
        --passed_first;
        return false;
    }
    if (left == 0) return false;
    --left;
    return true;
}

std::condition_variable opened;
std::string_view held;  // guarded by `lock`, as the next ones
std::string_view also_held;
int held_calls = 0;

void wait_if_held(std::string_view path) noexcept {
    std::unique_lock guard(lock);
    const auto is_open = [&] { return held != path && also_held != path; };
    if (is_open()) return;
    ++held_calls;
    opened.wait(guard, is_open);
    --held_calls;
}

/// Sets errno, and returns the result of a call that has failed.
int failed() noexcept {
    const std::lock_guard guard(lock);
    errno = error_number;
    return -1;
}

}  // namespace

int wrapped_epoll_create1(int flags) { return fails("epoll_create1") ? failed() : epoll_create1_for_real(flags); }

int wrapped_epoll_ctl(int queue, int operation, int fd, epoll_event* event) {
    if (operation == EPOLL_CTL_ADD) {
        const bool is_of_reaper = event->events == EPOLLIN;
        if (fails(is_of_reaper ? "epoll_ctl" : "epoll_ctl_of_driver")) return failed();
    }
    return epoll_ctl_for_real(queue, operation, fd, event);
}

int wrapped_fcntl(int fd, int command, long argument) {
    return command == F_SETFL && fails("fcntl") ? failed() : fcntl_for_real(fd, command, argument);
}

int wrapped_pipe2(int* fds, int flags) { return fails("pipe2") ? failed() : pipe2_for_real(fds, flags); }

int wrapped_posix_spawn(pid_t* id, const char* path, const posix_spawn_file_actions_t* actions,
                        const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment) {
    wait_if_held(path);
    if (!fails("posix_spawn")) return posix_spawn_for_real(id, path, actions, attributes, arguments, environment);
    failed();
    return errno;
}

long wrapped_syscall(long number, long a, long b, long c, long d, long e, long f) {
    if (number == SYS_pidfd_open && fails("pidfd_open")) return failed();
    if (number == SYS_pidfd_send_signal && fails("pidfd_send_signal")) return failed();
    if (number == SYS_waitid && fails("waitid")) {
        if (failed() != 0 && errno != 0) return -1;
        return 0;  // and leaves si_pid as it is: 0
    }
    return syscall_for_real(number, a, b, c, d, e, f);
}

namespace support {

refused_process_call::refused_process_call(std::string_view function, int error, int count, int skipped) noexcept {
    const std::lock_guard guard(lock);
    refused = function;
    error_number = error;
    left = count;
    passed_first = skipped;
    calls_made = 0;
}

refused_process_call::~refused_process_call() {
    const std::lock_guard guard(lock);
    refused = {};
}

held_starts::held_starts(std::string_view path, std::string_view other) noexcept {
    const std::lock_guard guard(lock);
    held = path;
    also_held = other;
}

void held_starts::open() noexcept {
    open_first();
    const std::lock_guard guard(lock);
    also_held = {};
    opened.notify_all();
}

void held_starts::open_first() noexcept {
    const std::lock_guard guard(lock);
    held = {};
    opened.notify_all();
}

int held_starts::waiting() const noexcept {
    const std::lock_guard guard(lock);
    return held_calls;
}

int refused_process_call::calls() const noexcept {
    const std::lock_guard guard(lock);
    return calls_made;
}

}  // namespace support
