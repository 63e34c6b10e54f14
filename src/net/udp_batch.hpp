// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include <eddy/net/udp_socket.hpp>
#include <eddy/result.hpp>

namespace eddy::net {

/// Receives what is there into the first of `all`, which are not empty; how many. See udp_socket::recv_many().
[[nodiscard]] result<std::size_t> recv_batch(int fd, std::span<incoming_datagram> all) noexcept;

/// Sends the first of `all`, which are not empty; how many. See udp_socket::send_many().
[[nodiscard]] result<std::size_t> send_batch(int fd, std::span<const outgoing_datagram> all) noexcept;

}  // namespace eddy::net
