// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

#include "h1/head_parser.hpp"

namespace eddy::detail {

/// The properties of a request that determine the head of its response.
struct response_context {
    http::method asked = http::method::get;           // the method of the request
    http::version version = http::version::http_1_1;  // the version of the client
    bool keeps_alive = true;

    response_context() noexcept {}  // NOLINT(modernize-use-equals-default): no aggregate, for GCC 12
};

/// Appends the head of a response to `out`, and returns how its body is sent. Clears `keeps_alive` if the response has
/// "Connection: close", or if only the end of the connection can delimit the body.
body_framing write_response_head(std::string& out, const http::response& from, response_context& context);

/// Appends the head of a response 101, whose headers have the name of the new protocol in Upgrade.
void write_switching_head(std::string& out, const http::response& from);

/// Appends the head of a request to `out`, and returns how its body is sent. `authority` is the value of Host.
body_framing write_request_head(std::string& out, const http::request& from, std::string_view authority);

/// Returns the time as the Date field needs it: "Sun, 06 Nov 1994 08:49:37 GMT". The text is valid until the next call
/// on this thread.
[[nodiscard]] std::string_view current_date();

}  // namespace eddy::detail
