// SPDX-License-Identifier: MIT
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/client.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/switch_protocols.hpp>
#include <eddy/io/boxed.hpp>
#include <eddy/task/task.hpp>

namespace eddy::http {

/// The result of upgrade(): the response, and the connection if the server has switched protocols.
struct upgrade_outcome {
    http::response response;                 ///< the response; its status is 101 if the server has switched protocols
    std::optional<io::boxed_stream> stream;  ///< the connection, only if the server has switched protocols

    /// Makes the object from its parts.
    upgrade_outcome(http::response&& answer, std::optional<io::boxed_stream>&& connection)
        : response(std::move(answer)), stream(std::move(connection)) {}
};

/// Sends a request with "Connection: Upgrade" to a URL, on a new connection. Add Upgrade, and what the protocol
/// requires, to the headers of the request. Redirects are not followed, and the request is not repeated. A proxy
/// connects to the server by CONNECT or SOCKS5. For WebSockets, use ws::connect().
/// Errors: see client::send(). http::errc::bad_message also for a response 101 without Upgrade or
/// "Connection: Upgrade".
/// Cancel safety: safe. The connection is closed.
EDDY_API task<std::expected<upgrade_outcome, client_error>> upgrade(std::string url, request asked,
                                                                    client_options options = client_options());

}  // namespace eddy::http
