// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/tcp_stream.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task.hpp>

#include "server_state.hpp"

namespace mini_redis {

/// Serves one client until it leaves, breaks the protocol, lags behind what it has subscribed to, or `ending` is
/// cancelled: what has been read then is answered first.
///
/// Pipelining: all requests that one read has brought are executed, and answered with one write. Answers are sent
/// before they are more than some 64 KiB, and nothing is executed or read meanwhile: so who asks much and reads nothing
/// waits for itself only.
[[nodiscard]] eddy::task<void> serve_client(server_state& server, eddy::net::tcp_stream stream,
                                            eddy::sync::cancellation_token ending);

}  // namespace mini_redis
