// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <string>

#include <eddy/detail/export.hpp>
#include <eddy/http/client.hpp>
#include <eddy/task/task.hpp>
#include <eddy/ws/connection.hpp>
#include <eddy/ws/options.hpp>

namespace eddy::ws {

/// Connects to a WebSocket at a URL with the scheme ws or wss (TLS). A proxy for http or https URLs connects to the
/// server by CONNECT: see http::client_options::proxies().
///     auto socket = co_await try_(ws::connect("ws://localhost:8080/chat"));
///     co_await try_(socket.send("hello"));
/// Errors: same as http::client::send(), with their step and address; ws::errc::upgrade_refused if the server answers
/// with another status than 101, for example a redirect; ws::errc::bad_handshake; ws::errc::bad_url.
/// Cancel safety: safe. The connection is closed.
EDDY_API task<std::expected<connection, http::client_error>> connect(std::string url, options with = options());

}  // namespace eddy::ws
