// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <eddy/http/headers.hpp>

#include "deflate.hpp"

// The parts of the opening handshake (RFC 6455, section 4; RFC 7692, section 7.1).

namespace eddy::detail {

/// Returns the value of Sec-WebSocket-Accept for a key.
[[nodiscard]] std::string ws_accept_key(std::string_view key);
/// Returns a new value for Sec-WebSocket-Key.
[[nodiscard]] std::string ws_new_key();
/// Returns whether a text is the base64 encoding of 16 bytes.
[[nodiscard]] bool is_ws_key(std::string_view text) noexcept;

/// Compression that a server accepts, and the extension that it answers with.
struct deflate_agreement {
    deflate_parameters parameters;
    std::string answer;

    deflate_agreement() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Returns the first offer in a request that a server can accept, or nullopt.
[[nodiscard]] std::optional<deflate_agreement> accept_deflate(const http::headers& asked);

/// The offer of a client. It has no client_max_window_bits, so the server cannot restrict our compressor.
inline constexpr std::string_view deflate_offer = "permessage-deflate";

/// The extensions in the response of a server.
struct accepted_extensions {
    bool is_valid = true;
    std::optional<deflate_parameters> compression;

    accepted_extensions() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};
[[nodiscard]] accepted_extensions parse_accepted_extensions(const http::headers& answer, bool has_offered);

}  // namespace eddy::detail
