// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

// Faults of system calls on sockets that a test cannot cause otherwise, and a check of their arguments. Link the
// program with --wrap for accept4, connect, fcntl, if_nametoindex, sendto and socket. Each fault affects only the
// calling thread.

namespace support {

/// Makes the next `count` calls of accept4(2) fail with `error`. The connections stay in the listener's queue.
void fail_next_accepts(int error, std::size_t count) noexcept;
/// Returns how many of these failures remain.
[[nodiscard]] std::size_t accept_faults_left() noexcept;

/// Makes the next call of sendto(2) send nothing and return one byte less than its size.
void shorten_next_send() noexcept;
[[nodiscard]] bool has_send_fault_left() noexcept;

/// Makes the next question for the flags of an open file (fcntl(2), F_GETFL) fail with `error`.
void fail_next_flags(int error) noexcept;

/// Counts the calls of socket(2) and connect(2) on this thread.
struct socket_calls {
    std::size_t sockets = 0;
    std::size_t plain_sockets = 0;  ///< of these, without SOCK_NONBLOCK or SOCK_CLOEXEC
    std::size_t connects = 0;
};
[[nodiscard]] socket_calls calls_so_far() noexcept;

/// Returns how many names without a terminating NUL were passed to if_nametoindex(3), which would read behind them.
/// glibc's own read is not one that AddressSanitizer checks.
[[nodiscard]] std::size_t unterminated_names() noexcept;

}  // namespace support
