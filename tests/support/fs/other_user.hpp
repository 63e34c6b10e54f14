// SPDX-License-Identifier: MIT
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>
#include <thread>

namespace support {

inline constexpr unsigned other_user = 65'534;

/// Runs a function on a thread that has the rights of `other_user`. The threads and processes that it starts have them,
/// too. Blocking work needs a runtime that it makes: the event loops of a process share threads, which may exist
/// already.
/// Preconditions: the user is root.
template <class F>
void as_other_user(F f) {
    std::thread([&] {
        // Not setuid(2), with which glibc changes all threads.
        const bool is_other = ::syscall(SYS_setgroups, 0, nullptr) == 0 &&
                              ::syscall(SYS_setresgid, other_user, other_user, other_user) == 0 &&
                              ::syscall(SYS_setresuid, other_user, other_user, other_user) == 0;
        if (!is_other) throw std::runtime_error("cannot become another user");
        f();
    }).join();
}

}  // namespace support
