// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <eddy/http/client.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

#include "client/connect.hpp"
#include "client/proxy_server.hpp"

namespace eddy::detail {

/// Connects to a proxy, with TLS if its URL requires that.
/// Cancel safety: safe. The connection is closed.
[[nodiscard]] task<result<opened_connection>> connect_to_proxy(const proxy_server& proxy,
                                                               const http::client_options& options,
                                                               client_progress& at);

/// Asks a proxy for a connection to a server by CONNECT (RFC 9110, section 9.3.6), and returns that connection. Bytes
/// that arrive after the proxy's response are bytes of the server: the connection begins with them.
/// Errors: http::errc::proxy_refused; adds the status to `at.where`. http::errc::bad_message, header_too_large;
/// errc::unexpected_eof, timed_out; those of the connection.
/// Cancel safety: safe. The connection is closed.
[[nodiscard]] task<result<io::boxed_stream>> open_tunnel(io::boxed_stream to_proxy, const proxy_server& proxy,
                                                         std::string server, const http::client_options& options,
                                                         client_progress& at);

}  // namespace eddy::detail
