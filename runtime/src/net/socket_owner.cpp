// SPDX-License-Identifier: MIT
#include <eddy/net/socket_owner.hpp>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/try.hpp>

namespace eddy::detail {

task<result<net::released>> release_socket(io_socket socket) {
    auto sent = poll_fn([&socket](context& cx) { return socket.poll_sent(cx, nullptr); });
    co_await try_(sent);
    auto stopped = poll_fn([&socket](context& cx) { return socket.poll_stopped(cx, nullptr); });
    co_await try_(stopped);
    auto bytes = socket.take_received();
    const auto error = socket.take_connection_error();
    net::released parts(socket.release());
    parts.bytes = std::move(bytes);
    parts.error = error;
    co_return parts;
}

}  // namespace eddy::detail
