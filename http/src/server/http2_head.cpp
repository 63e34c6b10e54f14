// SPDX-License-Identifier: MIT
#include "server/http2_head.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "h2/session.hpp"
#include "message/characters.hpp"
#include "message/header_access.hpp"
#include "message/host.hpp"

namespace eddy::detail {

void http2_head::add(std::string_view name, std::string_view value) {
    size_ += name.size() + value.size() + field_overhead;
    if (size_ > limits_.bytes) {
        refuse(name == ":path" ? http::status::uri_too_long : http::status::request_header_fields_too_large);
    }
    // After a refusal, fields are not stored. The client may send many more, and a few received bytes can stand for a
    // field of 4 KiB (HPACK bomb).
    if (refused_) return;
    if (name.starts_with(':')) {
        add_pseudo(name, value);
    } else {
        add_regular(name, value);
    }
}

void http2_head::add_pseudo(std::string_view name, std::string_view value) {
    if (name == ":method") {
        method_ = http::method_of(value);
        if (!method_) refuse(http::status::not_implemented);
    } else if (name == ":path") {
        target_ = value;
    } else if (name == ":authority") {
        add_host(value);
    } else if (name == ":scheme") {
        if (!http::equal_names(value, "http") && !http::equal_names(value, "https")) refuse(http::status::bad_request);
    }
}

void http2_head::add_regular(std::string_view name, std::string_view value) {
    // RFC 9113, section 8.2.3: a client may send one Cookie field in many parts.
    if (name == "cookie" && !cookies_.empty()) {
        cookies_.append("; ").append(value);
        return;
    }
    if (++fields_ > limits_.fields) return refuse(http::status::request_header_fields_too_large);
    if (name == "cookie") {
        cookies_ = value;
        return;
    }
    if (name == "host") return add_host(value);
    if (name == "content-length") {
        std::uint64_t length = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
        if (error != std::errc() || end != value.data() + value.size()) return refuse(http::status::bad_request);
        length_ = length;
    } else if (name == "expect") {
        if (expects_continue_ || !http::equal_names(value, "100-continue"))
            return refuse(http::status::expectation_failed);
        expects_continue_ = true;
    }
    header_access::add_checked(headers_, name, value);
}

/// Adds the Host field, from `:authority` or from a field "host".
void http2_head::add_host(std::string_view value) {
    if (has_host_) {
        // RFC 9113, section 8.3.1: `:authority` and "host" must be the same.
        if (headers_.get("Host") != value) refuse(http::status::bad_request);
        return;
    }
    if (!split_host(value)) return refuse(http::status::bad_request);
    has_host_ = true;
    header_access::add_checked(headers_, "Host", value);
}

std::optional<http::status> http2_head::finish(http::request& into) {
    into.method = method();
    if (refused_) return refused_;
    const bool is_path = target_.starts_with('/') || (target_ == "*" && into.method == http::method::options);
    if (!has_host_ || !is_path || !std::ranges::all_of(target_, is_target_character)) return http::status::bad_request;
    if (!cookies_.empty()) header_access::add_checked(headers_, "cookie", cookies_);
    into.target = std::move(target_);
    into.version = http::version::http_2;
    into.headers = std::move(headers_);
    return std::nullopt;
}

}  // namespace eddy::detail
