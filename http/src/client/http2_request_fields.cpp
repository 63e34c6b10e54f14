// SPDX-License-Identifier: MIT
#include "client/http2_request_fields.hpp"

#include <charconv>

#include <eddy/http/headers.hpp>
#include <eddy/http/method.hpp>

#include "h2/session.hpp"
#include "message/characters.hpp"

namespace eddy::detail {

http2_request_fields::http2_request_fields(const http2_call& call) : has_body_(call.size != 0U) {
    const auto& asked = call.asked;
    constexpr std::size_t added = 6;  // pseudo fields, content-length
    all_.reserve(added + asked.headers.size());
    all_.push_back(nv_of(":method", http::to_string(asked.method)));
    all_.push_back(nv_of(":scheme", call.is_https ? "https" : "http"));
    all_.push_back(nv_of(":authority", asked.headers.get("Host").value_or(call.authority)));
    all_.push_back(nv_of(":path", asked.target));
    for (const auto& [name, value] : asked.headers) add_regular(name, trim(value));
    // RFC 9110, section 8.6: these methods anticipate a body, so a length of 0 announces that there is none.
    const bool anticipates =
        asked.method == http::method::post || asked.method == http::method::put || asked.method == http::method::patch;
    if (!call.size || (!has_body_ && !anticipates)) return;
    const auto* const end = std::to_chars(length_.data(), length_.data() + length_.size(), *call.size).ptr;
    all_.push_back(nv_of("content-length", {length_.data(), end}));
}

void http2_request_fields::add_regular(std::string_view name, std::string_view value) {
    if (is_of_connection(name)) return;
    switch (name.size()) {
    case 2:  // RFC 9113, section 8.2.2
        if (http::equal_names(name, "TE") && !http::equal_names(value, "trailers")) return;
        break;
    case 4:
        if (http::equal_names(name, "Host")) return;
        break;
    case 14:
        if (http::equal_names(name, "Content-Length")) return;
        break;
    default: break;
    }
    all_.push_back(nv_of(name, value));
}

}  // namespace eddy::detail
