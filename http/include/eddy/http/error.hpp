// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

#include <eddy/detail/export.hpp>

namespace eddy::http {

/// The errors of eddy::http, in addition to the connection's. `error.message()` explains each of them.
enum class errc {
    bad_url = 1,          ///< the text is not an http or https URL; equals std::errc::invalid_argument
    bad_message,          ///< the peer violates the protocol; equals std::errc::bad_message
    body_too_large,       ///< a body exceeds its limit; equals std::errc::message_size
    header_too_large,     ///< the headers exceed their limit; equals std::errc::message_size
    body_detached,        ///< the body was read after the response was sent
    body_too_short,       ///< a body ended before its announced size
    too_many_redirects,   ///< more redirects than client_options::max_redirects()
    no_tls,               ///< https needs eddy::http to be built with eddy::tls; equals std::errc::not_supported
    no_http2,             ///< the server, or this build, does not have HTTP/2; equals std::errc::not_supported
    bad_proxy,            ///< the URL of a proxy is not valid; equals std::errc::invalid_argument
    proxy_not_supported,  ///< the URL of a proxy has an unknown scheme; equals std::errc::not_supported
    proxy_refused,        ///< the proxy does not connect to the server; equals std::errc::connection_refused
    bad_exclusion,        ///< an element of proxies::except() is not valid; equals std::errc::invalid_argument
    body_already_read,    ///< the whole body was read before, or moved to another object
    bad_form,             ///< the body of a request is no valid form: see multipart; equals std::errc::bad_message
    part_skipped,         ///< the body of a form's part was read after the next call of multipart::next()
};

/// Returns the error category of http::errc. Its name is "eddy.http".
[[nodiscard]] EDDY_API const std::error_category& error_category() noexcept;

/// Returns the category of the error codes of HTTP/2 (RFC 9113, section 7) that a server has sent to a client, for
/// example 8, CANCEL. Its name is "eddy.http2". All codes equal std::errc::connection_reset.
[[nodiscard]] EDDY_API const std::error_category& http2_category() noexcept;

/// Makes an error code of the category error_category(). Thus http::errc converts to std::error_code.
[[nodiscard]] EDDY_API std::error_code make_error_code(errc code) noexcept;

}  // namespace eddy::http

/// Makes http::errc convertible to std::error_code.
template <>
struct std::is_error_code_enum<eddy::http::errc> : std::true_type {};
