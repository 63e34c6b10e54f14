// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <eddy/http/body.hpp>

#include "message/coding.hpp"

// Bodies in a coding. The coding must be available.

namespace eddy::detail {

/// Returns `content` in encoded form.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::string encoded_text(const body_coding& by, std::string_view content, int level);
/// Returns the source of a body that encodes `from` while it is read. While `from` waits, everything that it has
/// returned can be read and decoded.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<body_source> encoding_source(const body_coding& by, http::body from, int level);
/// Returns the source of a body that decodes `from` while it is read. Its reads fail with body_too_large if there are
/// more than `limit` bytes, with body_too_short if `from` ends too early, and with bad_message for other data.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<body_source> decoding_source(const body_coding& by, http::body from, std::uint64_t limit);

}  // namespace eddy::detail
