// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

// Makes system calls of eddy::process fail. The linker redirects the calls to process_faults.cpp.

namespace support {

/// Makes the next calls of a function fail with `error`, until it is destroyed: `count` of them, after `skipped` ones
/// that work. The functions: epoll_create1, epoll_ctl (for pidfds), epoll_ctl_of_driver, fcntl (F_SETFL), pipe2,
/// posix_spawn, pidfd_open, pidfd_send_signal, waitid. A waitid "fails" with error 0: it reports no end.
/// Thread safety: the calls may be made on any thread. One object at a time.
class refused_process_call {
public:
    refused_process_call(std::string_view function, int error, int count = 1'000'000, int skipped = 0) noexcept;
    refused_process_call(const refused_process_call&) = delete;
    refused_process_call& operator=(const refused_process_call&) = delete;
    ~refused_process_call();

    /// Returns the number of calls of the function, with those that worked.
    [[nodiscard]] int calls() const noexcept;
};

/// Makes calls of posix_spawn with this path, or this other one, wait until it is destroyed, or open() is called. One
/// object at a time.
class held_starts {
public:
    explicit held_starts(std::string_view path, std::string_view other = {}) noexcept;
    held_starts(const held_starts&) = delete;
    held_starts& operator=(const held_starts&) = delete;
    ~held_starts() { open(); }

    void open() noexcept;
    /// Lets the calls with the first path go on.
    void open_first() noexcept;
    /// Returns the number of calls that wait.
    [[nodiscard]] int waiting() const noexcept;
};

}  // namespace support
