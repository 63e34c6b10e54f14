// SPDX-License-Identifier: MIT
#include "message/gzip.hpp"

// The functions of gzip.hpp without zlib.

namespace eddy::detail {

bool has_gzip() noexcept { return false; }
std::string gzip_text(std::string_view content, int) { return std::string(content); }
std::unique_ptr<body_source> gzip_source(http::body, int) { return nullptr; }
std::unique_ptr<body_source> gunzip_source(http::body, std::uint64_t) { return nullptr; }

}  // namespace eddy::detail
