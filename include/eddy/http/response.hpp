// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/status.hpp>

namespace eddy::http {

/// A response. A server adds Date, and what delimits the body: Content-Length, or chunks. It ignores Content-Length and
/// Transfer-Encoding in `headers`, except Content-Length in the response to a HEAD request and in a 304, which have no
/// body. "Connection: close" closes the connection afterwards.
/// Thread safety: one thread at a time.
class EDDY_API response {
public:
    http::status status = http::status::ok;           ///< the outcome
    http::version version = http::version::http_1_1;  ///< the version in which it was received
    http::headers headers;                            ///< the header fields
    http::body body;                                  ///< the body

    /// Makes a response without headers.
    response() = default;
    explicit response(http::status outcome) : status(outcome) {}
    response(http::status outcome, http::body content) : status(outcome), body(std::move(content)) {}

    /// Makes a response with a Content-Type: plain text in UTF-8, or any other type, such as "application/json".
    [[nodiscard]] static response text(std::string content, http::status outcome = http::status::ok);
    [[nodiscard]] static response of_type(std::string_view type, http::body content,
                                          http::status outcome = http::status::ok);
    /// Makes a response that names another URL, by default with the status 303: the client requests it with GET.
    [[nodiscard]] static response redirect(std::string_view to, http::status outcome = http::status::see_other);
};

}  // namespace eddy::http
