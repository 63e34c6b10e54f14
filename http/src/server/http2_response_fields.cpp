// SPDX-License-Identifier: MIT
#include "server/http2_response_fields.hpp"

#include <charconv>
#include <cstdint>
#include <string_view>

#include <eddy/http/headers.hpp>
#include <eddy/http/status.hpp>

#include "h1/head_writer.hpp"
#include "h2/session.hpp"
#include "message/characters.hpp"

namespace eddy::detail {
http2_response_fields::http2_response_fields(const http::response& from, http::method asked) {
    using http::status;
    const bool is_head = asked == http::method::head;
    const bool is_without = from.status == status::no_content || from.status == status::not_modified;
    has_body_ = !is_head && !is_without;
    // A HEAD response and a 304 announce the size of the body that they do not have.
    const bool has_own_length =
        (is_head || from.status == status::not_modified) && from.headers.contains("Content-Length");

    std::to_chars(status_.data(), status_.data() + status_.size(), http::to_int(from.status));
    all_.push_back(nv_of(":status", {status_.data(), status_.size()}));
    for (const auto& [name, value] : from.headers) {
        if (is_of_connection(name)) continue;
        // RFC 9110, section 15.4.5: a 304 does not repeat the fields that describe the body.
        const bool is_repeated = from.status == status::not_modified && http::equal_names(name, "Content-Type");
        if (is_repeated) continue;
        if (name.size() == 14 && !has_own_length && http::equal_names(name, "Content-Length")) continue;
        all_.push_back(nv_of(name, trim(value)));
    }
    const auto size = from.body.size();
    if (size && !is_without && !has_own_length) {
        const auto* const end = std::to_chars(length_.data(), length_.data() + length_.size(), *size).ptr;
        all_.push_back(nv_of("content-length", {length_.data(), end}));
    }
    if (!from.headers.contains("Date")) all_.push_back(nv_of("date", current_date()));
    if (size == 0U) has_body_ = false;
}

}  // namespace eddy::detail
