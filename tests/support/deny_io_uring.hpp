// SPDX-License-Identifier: MIT
#pragma once

#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <thread>

namespace support {

/// Returns the error of io_uring_setup(2) in this process, or 0.
[[nodiscard]] inline int error_of_io_uring() {
    io_uring_params params{};
    const auto fd = ::syscall(SYS_io_uring_setup, 1, &params);
    if (fd < 0) return errno;
    ::close(static_cast<int>(fd));
    return 0;
}

/// Makes the system calls with the numbers from `first` to `last` fail with `error`: on this thread, on threads that it
/// starts later, and in programs that it executes. Returns false if no filter can be set.
[[nodiscard]] inline bool deny_calls(unsigned first, unsigned last, int error) {
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, first, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, last, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{std::size(program), program};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `work` on a new thread on which the system calls `calls` fail with `error`. Returns false if no filter can be
/// set.
template <class Work>
[[nodiscard]] bool run_without(std::initializer_list<unsigned> calls, int error, Work work) {
    bool is_denied = true;
    std::thread([&] {  // a filter remains until its thread ends
        for (const unsigned call : calls) is_denied = is_denied && deny_calls(call, call, error);
        if (is_denied) work();
    })
        .join();
    return is_denied;
}

/// Makes the system calls of io_uring fail with `error`: EPERM as in a container, or ENOSYS as on an old kernel.
/// Returns false if the calls do not fail with this error.
[[nodiscard]] inline bool deny_io_uring(int error) {
    static_assert(SYS_io_uring_setup + 1 == SYS_io_uring_enter && SYS_io_uring_enter + 1 == SYS_io_uring_register);
    return deny_calls(SYS_io_uring_setup, SYS_io_uring_register, error) && error_of_io_uring() == error;
}

}  // namespace support
