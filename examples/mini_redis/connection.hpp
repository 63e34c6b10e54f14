// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/tcp_stream.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>

#include "server_state.hpp"

namespace mini_redis {

/// Serves one client until it disconnects, sends QUIT, violates the protocol, exceeds the limit of its mailbox, or
/// `token` is cancelled. Requests that were read before are answered first, and a client that continues to send
/// requests loses no reply.
///
/// Pipelining: all requests of one read are executed, and their replies are sent with one write. Replies are sent when
/// they exceed about 64 KiB; meanwhile no request is read or executed. So a client that does not read its replies
/// delays only itself.
[[nodiscard]] eddy::task<void> serve_client(server_state& server, eddy::net::tcp_stream stream,
                                            eddy::sync::cancellation_token token);

}  // namespace mini_redis
