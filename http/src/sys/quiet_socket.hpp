// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

/// What a connected TCP socket has received, without a driver.
namespace eddy::sys {

/// Returns whether the socket has no unread bytes, no end of the stream and no error. Does not wait. Bytes that an
/// io_uring has taken from the socket are not found: see received_bytes().
[[nodiscard]] bool is_quiet(int fd) noexcept;

/// Returns the number of bytes that the socket has received. Bytes that the program or an io_uring has read count.
/// Returns 0 on systems other than Linux, where nothing reads a socket ahead of the program.
[[nodiscard]] std::uint64_t received_bytes(int fd) noexcept;

}  // namespace eddy::sys
