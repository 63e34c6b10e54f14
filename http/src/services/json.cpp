// SPDX-License-Identifier: MIT
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/http/request.hpp>

#include "message/syntax.hpp"

namespace eddy::detail {

// Declared in eddy/http/json.hpp, which needs a library that eddy::http itself does not need.
[[nodiscard]] EDDY_API bool has_json(const http::request& asked) noexcept;

bool has_json(const http::request& asked) noexcept {
    auto text = asked.headers.get("Content-Type").value_or("");
    const auto type = trim(take_part(text, ';'));
    const auto ends_with = [&](std::string_view end) {
        return type.size() > end.size() && http::equal_names(type.substr(type.size() - end.size()), end);
    };
    return http::equal_names(type, "application/json") || ends_with("+json");
}

}  // namespace eddy::detail
