// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/net/udp_socket.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

inline constexpr std::size_t most_at_once = 64;  // as UDP_MAX_SEGMENTS was, before it was 128

/// Receives what is there into the first of `all`, which are not empty; how many. See udp_socket::recv_many(). Fewer
/// than there is room for, and than most_at_once: there were no more, or the next one has met an error, which the
/// socket keeps.
[[nodiscard]] result<std::size_t> recv_batch(int fd, std::span<incoming_datagram> all) noexcept;

/// Sends the first of `all`, which are not empty; how many. See udp_socket::send_many().
[[nodiscard]] result<std::size_t> send_batch(int fd, std::span<const outgoing_datagram> all) noexcept;

}  // namespace eddy::net
