// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <eddy/result.hpp>

namespace eddy::sys {

/// Sends bytes of a regular file to a socket, inside the kernel. Returns the count; 0 at the end of the file. Waits for
/// the disk if the bytes are not in the page cache, and raises no SIGPIPE.
/// Errors: operation_would_block if the socket cannot take a byte; what sendfile(2) reports. On systems other than
/// Linux always operation_not_supported.
[[nodiscard]] result<std::size_t> send_file(int socket, int file, std::uint64_t offset, std::size_t most) noexcept;

}  // namespace eddy::sys
