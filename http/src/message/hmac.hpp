// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <string_view>

namespace eddy::detail {

/// The bytes of a SHA-256 hash.
using sha256_bytes = std::array<unsigned char, 32>;

/// Returns the SHA-256 hash of a text (FIPS 180-4). It is here so that eddy::http needs no library of cryptography.
[[nodiscard]] sha256_bytes sha256(std::string_view text);

/// Returns the HMAC-SHA256 of a text (RFC 2104).
[[nodiscard]] sha256_bytes hmac_sha256(std::string_view key, std::string_view text);

}  // namespace eddy::detail
