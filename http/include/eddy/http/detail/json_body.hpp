// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

// The part of http/json.hpp that needs no other library.

namespace eddy::detail {

/// Returns whether a request says that its body is JSON: application/json, or a type that ends in "+json".
[[nodiscard]] EDDY_API bool has_json(const http::request& asked) noexcept;

/// Returns the response 400 with a reason: at most 200 bytes of it, because it may contain the whole body.
[[nodiscard]] EDDY_API http::response refuse_json(std::string_view reason);

}  // namespace eddy::detail
