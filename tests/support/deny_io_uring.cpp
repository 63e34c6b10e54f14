// SPDX-License-Identifier: MIT
// Runs a program in which the system calls of io_uring fail with the given error.
//     $ deny_io_uring EPERM|ENOSYS PROGRAM [ARG...]
// Exits with 77 (CTest's code for "skipped") if no filter can be set.
#include <support/deny_io_uring.hpp>

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
    const std::string_view named = argc > 2 ? argv[1] : "";
    if (named != "EPERM" && named != "ENOSYS") {
        std::fprintf(stderr, "usage: deny_io_uring EPERM|ENOSYS PROGRAM [ARG...]\n");
        return 2;
    }
    if (!support::deny_io_uring(named == "EPERM" ? EPERM : ENOSYS)) {
        std::fprintf(stderr, "deny_io_uring: no filter of system calls (seccomp) can be set here\n");
        return 77;
    }
    ::execvp(argv[2], argv + 2);
    std::perror(argv[2]);
    return 2;
}
