// SPDX-License-Identifier: MIT
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/status.hpp>

#include "message/syntax.hpp"
#include "message/text.hpp"

namespace eddy::detail {

// Declared in eddy/http/json.hpp, which needs a library that eddy::http itself does not need.
[[nodiscard]] EDDY_API bool has_json(const http::request& asked) noexcept;
[[nodiscard]] EDDY_API http::response refuse_json(std::string_view reason);

bool has_json(const http::request& asked) noexcept {
    auto text = asked.headers.get("Content-Type").value_or("");
    const auto type = trim(take_part(text, ';'));
    const auto ends_with = [&](std::string_view end) {
        return type.size() > end.size() && http::equal_names(type.substr(type.size() - end.size()), end);
    };
    return http::equal_names(type, "application/json") || ends_with("+json");
}

http::response refuse_json(std::string_view reason) {
    return http::response::text(printable(reason, ' ') + "\n", http::status::bad_request);
}

}  // namespace eddy::detail
