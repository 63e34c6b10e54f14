// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

// Creates certificates while a test runs. Certificates in files would expire.

namespace support {

/// A certificate and its key, as PEM text.
struct certificate {
    std::string pem;
    std::string key;

    certificate() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Returns the private key, encrypted with a password, as PEM text.
[[nodiscard]] std::string encrypted(const std::string& key);

/// An authority that issues certificates with P-256 keys.
class certificate_authority {
public:
    explicit certificate_authority(const std::string& name = "test authority");
    /// Makes an intermediate authority, whose certificate `issuer` has issued.
    certificate_authority(const std::string& name, const certificate_authority& issuer);

    /// The authority's own certificate.
    [[nodiscard]] const std::string& pem() const noexcept { return own_.pem; }

    /// The properties of an issued certificate that a test can change.
    struct options {
        bool is_expired = false;
        std::string common_name = "test certificate";

        options() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    };

    /// Issues a certificate for names of the form "DNS:localhost" or "IP:127.0.0.1".
    [[nodiscard]] certificate issue(const std::vector<std::string>& names, const options& how = {}) const;

private:
    certificate own_;
    std::string name_;
};

}  // namespace support
