// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/status.hpp>

namespace eddy::detail {
class http_upgrade;
}  // namespace eddy::detail

namespace eddy::http {

/// A response. A server adds Date if it is missing, and Content-Length or Transfer-Encoding, which delimit the body.
///
/// - The server ignores Content-Length, Transfer-Encoding and Connection in `headers`, with two exceptions.
///   Content-Length is sent in the response to HEAD and in a 304. "Connection: close" closes the connection after the
///   response.
/// - Responses to HEAD, and those with the status 204, 205 or 304, are sent without their body. A 304 is also sent
///   without Content-Type, by which layers may decide.
/// - The status must be from 200 to 999, except in a response of switch_protocols(). With another status, the server
///   answers 500, as after an exception of the service.
///
class EDDY_API response {
public:
    http::status status = http::status::ok;           ///< the outcome
    http::version version = http::version::http_1_1;  ///< the version in which it was received
    http::headers headers;                            ///< the header fields
    http::body body;                                  ///< the body
    std::shared_ptr<detail::http_upgrade> upgrade;    ///< the protocol that follows; set by switch_protocols()

    /// Makes a response without headers.
    response() = default;
    explicit response(http::status outcome) : status(outcome) {}
    response(http::status outcome, http::body content) : status(outcome), body(std::move(content)) {}

    /// Makes a response with a Content-Type. Use text() for plain text in UTF-8, json() for the text of a JSON value,
    /// and of_type() for other types, for example "text/html".
    /// Errors: of_type() throws `misuse` if the type contains control characters.
    [[nodiscard]] static response text(http::body content, http::status outcome = http::status::ok);
    [[nodiscard]] static response json(http::body content, http::status outcome = http::status::ok);
    [[nodiscard]] static response of_type(std::string_view type, http::body content,
                                          http::status outcome = http::status::ok);
    /// Makes a response that redirects the client to the URL `to`. With the status 303, the default, the client
    /// requests that URL with GET.
    /// Errors: throws `misuse` if the URL contains control characters.
    [[nodiscard]] static response redirect(std::string_view to, http::status outcome = http::status::see_other);
};

}  // namespace eddy::http
