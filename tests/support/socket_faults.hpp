// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

// Faults of system calls on sockets that a test cannot cause otherwise. Link the program with `--wrap=accept4
// --wrap=sendto`. Each fault affects only the calling thread.

namespace support {

/// Makes the next `count` calls of accept4(2) fail with `error`. The connections stay in the listener's queue.
void fail_next_accepts(int error, std::size_t count) noexcept;
/// Returns how many of these failures remain.
[[nodiscard]] std::size_t accept_faults_left() noexcept;

/// Makes the next call of sendto(2) send nothing and return one byte less than its size.
void shorten_next_send() noexcept;
[[nodiscard]] bool has_send_fault_left() noexcept;

}  // namespace support
