// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string_view>

#include <eddy/detail/export.hpp>

namespace eddy::http {

/// The status code of a response (RFC 9110, section 15). Other codes from 200 to 999 are valid, too: `status(299)`.
enum class status : std::uint16_t {
    switching_protocols = 101,              ///< Switching Protocols, only by switch_protocols()
    ok = 200,                               ///< OK
    created = 201,                          ///< Created
    accepted = 202,                         ///< Accepted
    no_content = 204,                       ///< No Content
    reset_content = 205,                    ///< Reset Content
    partial_content = 206,                  ///< Partial Content
    moved_permanently = 301,                ///< Moved Permanently
    found = 302,                            ///< Found
    see_other = 303,                        ///< See Other
    not_modified = 304,                     ///< Not Modified
    temporary_redirect = 307,               ///< Temporary Redirect
    permanent_redirect = 308,               ///< Permanent Redirect
    bad_request = 400,                      ///< Bad Request
    unauthorized = 401,                     ///< Unauthorized
    forbidden = 403,                        ///< Forbidden
    not_found = 404,                        ///< Not Found
    method_not_allowed = 405,               ///< Method Not Allowed
    not_acceptable = 406,                   ///< Not Acceptable
    request_timeout = 408,                  ///< Request Timeout
    conflict = 409,                         ///< Conflict
    gone = 410,                             ///< Gone
    length_required = 411,                  ///< Length Required
    precondition_failed = 412,              ///< Precondition Failed
    content_too_large = 413,                ///< Content Too Large
    uri_too_long = 414,                     ///< URI Too Long
    unsupported_media_type = 415,           ///< Unsupported Media Type
    range_not_satisfiable = 416,            ///< Range Not Satisfiable
    expectation_failed = 417,               ///< Expectation Failed
    unprocessable_content = 422,            ///< Unprocessable Content
    upgrade_required = 426,                 ///< Upgrade Required
    too_many_requests = 429,                ///< Too Many Requests
    request_header_fields_too_large = 431,  ///< Request Header Fields Too Large
    internal_server_error = 500,            ///< Internal Server Error
    not_implemented = 501,                  ///< Not Implemented
    bad_gateway = 502,                      ///< Bad Gateway
    service_unavailable = 503,              ///< Service Unavailable
    gateway_timeout = 504,                  ///< Gateway Timeout
    http_version_not_supported = 505,       ///< HTTP Version Not Supported
    insufficient_storage = 507,             ///< Insufficient Storage (RFC 4918): an upload, and no room for it
};

/// Returns the number of a status code.
[[nodiscard]] constexpr int to_int(status of) noexcept { return static_cast<int>(of); }

/// Returns the reason phrase of a status code, for example "Not Found". Returns an empty text for other codes than
/// those above.
[[nodiscard]] EDDY_API std::string_view reason_of(status code) noexcept;

/// Returns whether the request was successful: codes from 200 to 299.
[[nodiscard]] constexpr bool is_success(status code) noexcept { return to_int(code) / 100 == 2; }

}  // namespace eddy::http
