// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string_view>
#include <system_error>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

// Owners of OpenSSL's objects, and the conversion of its errors.

namespace eddy::detail {

/// A deleter for one type of OpenSSL's objects.
template <auto Free>
struct frees_with {
    template <class T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};

using ssl_owner = std::unique_ptr<SSL, frees_with<SSL_free>>;
using ssl_context_owner = std::unique_ptr<SSL_CTX, frees_with<SSL_CTX_free>>;
using ssl_session_owner = std::unique_ptr<SSL_SESSION, frees_with<SSL_SESSION_free>>;
using bio_owner = std::unique_ptr<BIO, frees_with<BIO_free>>;
using certificate_owner = std::unique_ptr<X509, frees_with<X509_free>>;
using key_owner = std::unique_ptr<EVP_PKEY, frees_with<EVP_PKEY_free>>;

/// Returns the first error in this thread's queue and empties the queue. If it is empty, returns `otherwise`.
[[nodiscard]] std::error_code take_openssl_error(std::errc otherwise = std::errc::io_error) noexcept;

/// Returns a BIO that reads `text`.
/// Lifetime: borrows `text`.
/// Errors: null if there is no memory.
[[nodiscard]] bio_owner reads_text(std::string_view text) noexcept;

/// Clears OpenSSL's queue of errors, which is per thread. Call it before a function of OpenSSL whose failure is looked
/// up in the queue.
inline void clear_openssl_errors() noexcept {
    // ERR_clear_error() takes some 700 instructions, even if the queue is empty.
    if (ERR_peek_error() != 0) ERR_clear_error();
}

}  // namespace eddy::detail
