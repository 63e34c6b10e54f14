// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/net/udp_socket.hpp>
#include <eddy/result.hpp>

namespace eddy::sys {

inline constexpr std::size_t most_datagrams_at_once = 64;  // UDP_MAX_SEGMENTS, before Linux raised it to 128

/// Receives available datagrams into the first elements of `all`, and returns their number. See
/// net::udp_socket::recv_many(). If the number is smaller than both all.size() and most_datagrams_at_once, either no
/// more datagrams were available, or the next receive has failed. On Linux, the socket keeps that error. On other
/// systems it is lost.
/// Preconditions: `all` is not empty.
[[nodiscard]] result<std::size_t> recv_batch(int fd, std::span<net::incoming_datagram> all) noexcept;

/// Sends the first elements of `all`, and returns their number. See net::udp_socket::send_many().
/// Preconditions: `all` is not empty.
[[nodiscard]] result<std::size_t> send_batch(int fd, std::span<const net::outgoing_datagram> all) noexcept;

}  // namespace eddy::sys
