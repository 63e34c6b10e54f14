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
/// Errors: any error of OpenSSL, also if there is no certificate.
[[nodiscard]] result<std::vector<certificate_owner>> parse_certificates(std::string_view pem);

/// The files that a program names. An error code has no room for a path, so it says which of the files it is about.
enum class named_file : unsigned char { certificates, private_key, trusted };

/// Reads a whole file.
/// Errors: see open(2) and read(2). They compare equal to a std::errc, and their message says which file it was.
[[nodiscard]] result<std::string> read_text_file(const std::filesystem::path& path, named_file which);

/// Makes the context use an identity.
[[nodiscard]] result<void> use_identity(SSL_CTX& context, const tls_identity& own);

}  // namespace eddy::detail
