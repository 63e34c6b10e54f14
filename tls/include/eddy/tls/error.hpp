// SPDX-License-Identifier: MIT
#pragma once

#include <system_error>

#include <eddy/detail/export.hpp>

// The errors of eddy::tls, in addition to the transport's:
//
//     errc::tls_truncated              the connection ended without close_notify: the peer or an attacker closed it
//     errc::timed_out                  the handshake took too long
//     tls::certificate_category()      the peer's certificate was refused: expired, unknown issuer, wrong host name
//     tls::openssl_category()          any other error of OpenSSL: a protocol violation, an alert, a bad file

namespace eddy::tls {

/// Returns the category of errors of OpenSSL. A code is the number of ERR_get_error(3); the message is OpenSSL's
/// reason.
[[nodiscard]] EDDY_API const std::error_category& openssl_category() noexcept;

/// Returns the category of refused certificates. A code is one of the X509_V_ERR constants; the message explains it.
[[nodiscard]] EDDY_API const std::error_category& certificate_category() noexcept;

}  // namespace eddy::tls
