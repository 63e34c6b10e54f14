// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include <eddy/http/client.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

#include "client/connect.hpp"
#include "client/proxy.hpp"

namespace eddy::detail {

/// Asks a proxy for a connection to a server by SOCKS5 (RFC 1928), and returns that connection. The proxy looks up the
/// name of the server. Authenticates itself by user name and password (RFC 1929) if the proxy has them and asks for
/// them.
/// Errors: http::errc::proxy_refused; adds the reason to `at.where`. http::errc::bad_message; errc::unexpected_eof,
/// timed_out; the errors of the connection.
/// Cancel safety: safe. The connection is closed.
[[nodiscard]] task<result<io::boxed_stream>> open_socks_tunnel(io::boxed_stream to_proxy, const proxy_server& proxy,
                                                               const http::url& to, const http::client_options& options,
                                                               client_progress& at);

}  // namespace eddy::detail
