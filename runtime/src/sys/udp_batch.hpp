// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/net/udp_socket.hpp>
#include <eddy/result.hpp>

namespace eddy::sys {

inline constexpr std::size_t most_datagrams_at_once = 64;  // UDP_MAX_SEGMENTS, before Linux raised it to 128

/// Receives available datagrams into the first elements of `all`, and returns their number. See
/// net::udp_socket::recv_many(). An error after the first datagram stays in the socket, for the next call. Sets
/// `is_drained` to true if the next call may wait for an event: no more datagrams are available, and if there is an
/// error, it causes an event.
/// Preconditions: `all` is not empty.
[[nodiscard]] result<std::size_t> recv_batch(int fd, std::span<net::incoming_datagram> all, bool& is_drained) noexcept;

/// Sends the first elements of `all`, and returns their number. See net::udp_socket::send_many().
/// Preconditions: `all` is not empty.
[[nodiscard]] result<std::size_t> send_batch(int fd, std::span<const net::outgoing_datagram> all) noexcept;

}  // namespace eddy::sys
