// SPDX-License-Identifier: MIT
#include <eddy/http/detail/json_body.hpp>

#include <string_view>

#include <eddy/http/status.hpp>

#include "message/syntax.hpp"

namespace eddy::detail {

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
