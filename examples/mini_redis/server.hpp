// SPDX-License-Identifier: MIT
#pragma once

#include <eddy/net/serve.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/task.hpp>

#include "server_state.hpp"

namespace mini_redis {

/// Serves clients until `ending` is cancelled: then each gets the answers to what was read from it, and is
/// disconnected. All of it on the loop, or the one worker, on which it runs. Errors: what the listener fails with for
/// good. Lifetime: `state` must outlive it.
[[nodiscard]] eddy::task<eddy::result<eddy::net::serve_report>> serve(server_state& state,
                                                                      eddy::net::tcp_listener listener,
                                                                      eddy::sync::cancellation_token ending);

}  // namespace mini_redis
