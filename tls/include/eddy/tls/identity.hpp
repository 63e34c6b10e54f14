// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

EDDY_HEADERS_OF(tls)

namespace eddy::detail {
struct tls_identity;
struct tls_access;
}  // namespace eddy::detail

namespace eddy::tls {

/// A certificate, its private key, and the certificates of its issuers up to a root. A server has an identity. A client
/// needs an identity only if the server requests a client certificate.
/// Thread safety: immutable; copies may be used on any thread.
/// Cost: copying increments a reference count.
class EDDY_API identity {
public:
    /// Parses PEM text: the certificate first, then its issuers; and an unencrypted private key.
    /// Errors: the errors of openssl_category(), also if the key does not belong to the certificate.
    [[nodiscard]] static result<identity> from_pem(std::string_view certificates, std::string_view private_key);
    /// Same as from_pem(), from files. Blocks the thread while it reads them.
    /// Errors: same as from_pem(); the errors of open(2) and read(2), whose message says which of the two files it was.
    [[nodiscard]] static result<identity> from_files(const std::filesystem::path& certificates,
                                                     const std::filesystem::path& private_key);

private:
    friend struct detail::tls_access;
    explicit identity(std::shared_ptr<const detail::tls_identity> parsed) noexcept : parsed_(std::move(parsed)) {}

    std::shared_ptr<const detail::tls_identity> parsed_;
};

}  // namespace eddy::tls
