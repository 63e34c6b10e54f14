// SPDX-License-Identifier: MIT
#pragma once

#include <source_location>

#include <eddy/net/detail/io_socket.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::net {

/// Connects a socket and returns it.
/// Preconditions: the socket is not connected.
[[nodiscard]] task<result<eddy::detail::io_socket>> connect_socket(eddy::detail::io_socket socket, socket_addr to,
                                                                   std::source_location where);

}  // namespace eddy::net
