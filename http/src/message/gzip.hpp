// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <eddy/http/body.hpp>

// Compression of bodies with gzip (RFC 1952) by zlib: gzip.cpp, or gzip_off.cpp without zlib.

namespace eddy::detail {

/// Returns whether eddy::http was built with zlib. The other functions must be called only then.
[[nodiscard]] bool has_gzip() noexcept;

/// Returns `content` in compressed form.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::string gzip_text(std::string_view content, int level);
/// Returns the source of a body that compresses `from` while it is read. While `from` waits, everything that it has
/// returned can be read and decompressed.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<body_source> gzip_source(http::body from, int level);
/// Returns the source of a body that decompresses `from` while it is read. Its reads fail with body_too_large if there
/// are more than `limit` bytes, with body_too_short if `from` ends too early, and with bad_message for other data.
/// Errors: throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<body_source> gunzip_source(http::body from, std::uint64_t limit);

}  // namespace eddy::detail
