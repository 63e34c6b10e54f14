// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/tcp_stream.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>

#include "server_state.hpp"

namespace mini_redis {

/// Serves one client. Returns when the client disconnects, sends QUIT or violates the protocol, when its mailbox
/// overflows, or when `token` is cancelled.
///
/// After QUIT, a protocol violation or a cancellation, it first sends the replies to the requests that it has executed.
/// Then it closes the connection gracefully, because a reset would discard replies that the client has not read. If
/// the mailbox overflows, it closes the connection immediately and discards unsent replies.
///
/// Pipelining: executes all requests of one read, then sends their replies with one write. If the replies reach 64 KiB,
/// it sends them before it executes the next request. It reads nothing while it sends. So a client that does not read
/// its replies delays only itself.
[[nodiscard]] eddy::task<void> serve_client(server_state& server, eddy::net::tcp_stream stream,
                                            eddy::sync::cancellation_token token);

}  // namespace mini_redis
