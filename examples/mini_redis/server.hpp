// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/serve.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task/task.hpp>

#include "server_state.hpp"

namespace mini_redis {

/// Serves clients until `ending` is cancelled. Then each client gets the replies to the requests that were read, and is
/// disconnected. Run it on an event loop, or on a runtime with one worker.
/// Errors: a permanent failure of the listener.
/// Lifetime: `state` must outlive the task.
[[nodiscard]] eddy::task<eddy::result<eddy::net::serve_report>> serve(server_state& state,
                                                                      eddy::net::tcp_listener listener,
                                                                      eddy::sync::cancellation_token ending);

}  // namespace mini_redis
