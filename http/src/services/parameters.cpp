// SPDX-License-Identifier: MIT
#include <eddy/http/parameters.hpp>

namespace eddy::detail {

http::response refuse_parameter(std::string_view name, std::string_view needed) {
    std::string text("parameter \"");
    text.append(name).append("\": ").append(needed).append(" is needed\n");
    return http::response::text(std::move(text), http::status::bad_request);
}

}  // namespace eddy::detail
