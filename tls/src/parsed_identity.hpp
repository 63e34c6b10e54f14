// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/result.hpp>
#include <eddy/tls/identity.hpp>

#include "openssl.hpp"

namespace eddy::detail {

/// A parsed identity.
struct tls_identity {
    certificate_owner certificate;
    std::vector<certificate_owner> issuers;
    key_owner key;
};

/// Parses all certificates in a PEM text.
/// Errors: those of OpenSSL, also if there is no certificate.
[[nodiscard]] result<std::vector<certificate_owner>> parse_certificates(std::string_view pem);

/// Reads a whole file.
[[nodiscard]] result<std::string> read_text_file(const std::filesystem::path& path);

/// Makes the context use an identity.
[[nodiscard]] result<void> use_identity(SSL_CTX& context, const tls_identity& own);

}  // namespace eddy::detail
