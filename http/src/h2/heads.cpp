// SPDX-License-Identifier: MIT
#include "h2/heads.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace eddy::detail {

nghttp2_nv nv_of(std::string_view name, std::string_view value) noexcept {
    // SAFETY: nghttp2 does not change what the pointers refer to.
    const auto bytes = [](std::string_view text) {
        return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // NOLINT(*-const-cast)
    };
    return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// ---- Received heads ----

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
        length_ = parse_unsigned(value);
        if (!length_) return refuse(http::status::bad_request);
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

// ---- Sent heads ----

namespace {

/// Returns whether a field is connection-specific, which HTTP/2 does not permit (RFC 9113, section 8.2.2).
bool is_of_connection(std::string_view name) noexcept {
    switch (name.size()) {
    case 7: return http::equal_names(name, "Upgrade");
    case 10: return http::equal_names(name, "Connection") || http::equal_names(name, "Keep-Alive");
    case 16: return http::equal_names(name, "Proxy-Connection");
    case 17: return http::equal_names(name, "Transfer-Encoding");
    default: return false;
    }
}

}  // namespace

void http2_fields::add_length(std::uint64_t size) {
    const auto* const end = std::to_chars(length_.data(), length_.data() + length_.size(), size).ptr;
    all_.push_back(nv_of("content-length", {length_.data(), end}));
}

http2_request_fields::http2_request_fields(const http::request& asked, std::optional<std::uint64_t> size,
                                           std::string_view authority, bool is_https)
    : http2_fields(size != 0U) {
    constexpr std::size_t added = 6;  // pseudo fields, content-length
    all_.reserve(added + asked.headers.size());
    all_.push_back(nv_of(":method", http::to_string(asked.method)));
    all_.push_back(nv_of(":scheme", is_https ? "https" : "http"));
    all_.push_back(nv_of(":authority", asked.headers.get("Host").value_or(authority)));
    all_.push_back(nv_of(":path", asked.target));
    for (const auto& [name, value] : asked.headers) add_regular(name, trim(value));
    if (size && (has_body_ || anticipates_body(asked.method))) add_length(*size);
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

http2_response_fields::http2_response_fields(const http::response& from, http::method asked)
    : http2_fields(asked != http::method::head) {
    using http::status;
    const bool is_head = asked == http::method::head;
    const bool is_without = from.status == status::no_content || from.status == status::not_modified;
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
    if (size && !is_without && !has_own_length) add_length(*size);
    if (!from.headers.contains("Date")) all_.push_back(nv_of("date", current_date()));
    if (is_without || size == 0U) has_body_ = false;
}

bool submit_trailers(nghttp2_session* session, std::int32_t stream, const http::headers& trailers) noexcept try {
    std::vector<nghttp2_nv> fields;
    fields.reserve(trailers.size());
    for (const auto& [name, value] : trailers) fields.push_back(nv_of(name, trim(value)));
    return nghttp2_submit_trailer(session, stream, fields.data(), fields.size()) == 0;
} catch (const std::bad_alloc&) {
    return false;
}

}  // namespace eddy::detail
