// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <system_error>
#include <vector>

namespace eddy::net {

/// What into_native() gives: the descriptor, which is the caller's to close from now on, and what the driver had
/// fetched already and has not handed out.
struct released {
    int native_handle = -1;
    std::vector<std::byte> bytes;  ///< of a TCP connection: they come before what the descriptor gives
    std::vector<int> connections;  ///< of a tcp_listener: accepted already, and the caller's to close, too
    /// Of a TCP connection: what the next read behind `bytes`, or else the next write, would have told; none if all is
    /// well. The system tells an error once, and told it to the driver: from the descriptor a reset looks like an end
    /// in order. With epoll it is always none, since there nobody else has asked.
    std::error_code error;

    released() noexcept = default;
    explicit released(int fd) noexcept : native_handle(fd) {}
};

}  // namespace eddy::net
