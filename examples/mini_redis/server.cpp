// SPDX-License-Identifier: MIT
#include "server.hpp"

#include <utility>
#include <variant>

#include <eddy/future/select.hpp>
#include <eddy/net/tcp_stream.hpp>

#include "connection.hpp"

namespace mini_redis {

eddy::task<eddy::result<eddy::net::serve_report>> serve(server_state& state, eddy::net::tcp_listener listener,
                                                        eddy::sync::cancellation_token ending) {
    if (const auto at = listener.local_addr()) state.port = at->port();
    const auto handler = [&state, ending](eddy::net::tcp_stream stream) {
        return serve_client(state, std::move(stream), ending);
    };
    auto options = eddy::net::serve_options();
    options.max_connections(state.limits.clients).shutdown(ending).drain(state.limits.drain);
    auto clients = eddy::net::serve(std::move(listener), handler, std::move(options));
    // expire_keys() never ends: keys expire while clients are served.
    auto ended = co_await eddy::select(std::move(clients), state.keys.expire_keys());
    co_return std::get<0>(std::move(ended));
}

}  // namespace mini_redis
