// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <system_error>
#include <vector>

namespace eddy::net {

/// The result of into_native(): the descriptor, and the data that the driver had received from it and not delivered
/// yet. The caller must close the descriptor.
/// Thread safety: a plain value.
struct released {
    int native_handle = -1;        ///< the descriptor
    std::vector<std::byte> bytes;  ///< of a TCP connection: bytes to read before the descriptor's
    std::vector<int> connections;  ///< of a tcp_listener: connections that were accepted; the caller must close them
    /// Of a TCP connection: the error that the next read after `bytes`, or else the next write, would have returned.
    /// Empty if there is none. The system reports an error only once, and the driver has received it. A read from the
    /// descriptor would see a reset as a normal end of stream. Always empty with epoll, where the driver receives no
    /// errors.
    std::error_code error;

    /// Constructs an empty result, or one with only a descriptor.
    released() noexcept = default;
    explicit released(int fd) noexcept : native_handle(fd) {}
};

}  // namespace eddy::net
