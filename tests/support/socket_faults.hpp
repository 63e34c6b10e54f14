// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

// Faults of system calls on sockets that a test cannot cause otherwise. Link the program with `--wrap=accept4
// --wrap=sendto`. Each fault concerns the calling thread only.

namespace support {

/// The next `count` calls of accept4(2) fail with `error`. The connections stay in the listener's queue.
void fail_next_accepts(int error, std::size_t count) noexcept;
/// How many of these calls have not been made yet.
[[nodiscard]] std::size_t accept_faults_left() noexcept;

/// The next call of sendto(2) sends nothing, and returns one byte less than it was given.
void shorten_next_send() noexcept;
[[nodiscard]] bool has_send_fault_left() noexcept;

}  // namespace support
