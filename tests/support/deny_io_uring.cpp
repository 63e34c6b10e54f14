// SPDX-License-Identifier: MIT
// Runs a program that may have no ring: io_uring_setup and its like fail there with the error that is named.
//     $ deny_io_uring EPERM|ENOSYS PROGRAM [ARG...]
// Exits with 77 where no filter can be set (CTest's word for "skipped").
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
