// SPDX-License-Identifier: MIT
#include "message/fields.hpp"

#include <algorithm>
#include <array>

#include <eddy/http/body.hpp>

namespace eddy::detail {

bool has_no_body(int status, http::method asked) noexcept {
    return asked == http::method::head || status / 100 == 1 || status == 204 || status == 304;
}

void add_vary(http::headers& into, std::string_view name) {
    if (!into.has_token("Vary", name) && !into.has_token("Vary", "*")) into.add("Vary", name);
}

bool may_be_trailer(std::string_view name) noexcept {
    static constexpr std::array<std::string_view, 23> forbidden = {"Authorization",
                                                                   "Cache-Control",
                                                                   "Connection",
                                                                   "Content-Encoding",
                                                                   "Content-Length",
                                                                   "Content-Range",
                                                                   "Content-Type",
                                                                   "Cookie",
                                                                   "Expect",
                                                                   "Host",
                                                                   "Keep-Alive",
                                                                   "Max-Forwards",
                                                                   "Pragma",
                                                                   "Proxy-Authenticate",
                                                                   "Proxy-Authorization",
                                                                   "Proxy-Connection",
                                                                   "Range",
                                                                   "Set-Cookie",
                                                                   "TE",
                                                                   "Trailer",
                                                                   "Transfer-Encoding",
                                                                   "Upgrade",
                                                                   "WWW-Authenticate"};
    if (http::equal_names(name.substr(0, 3), "If-")) return false;
    return std::ranges::none_of(forbidden, [&](std::string_view each) { return http::equal_names(name, each); });
}

http::headers trailers_to_send(http::body& of) {
    http::headers permitted;
    for (const auto& [name, value] : of.trailers())
        if (may_be_trailer(name)) header_access::add_checked(permitted, name, value);
    return permitted;
}

}  // namespace eddy::detail
