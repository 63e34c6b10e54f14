// SPDX-License-Identifier: MIT
#include <eddy/http/cors.hpp>

#include <algorithm>

#include <eddy/error.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/status.hpp>

#include "message/fields.hpp"

namespace eddy::http {
namespace {

/// Returns whether a browser may send a text as the field Origin: a scheme, a host and perhaps a port.
bool is_origin(std::string_view text) {
    const auto is_plain = [](char c) {
        return detail::is_digit(c) || (c >= 'a' && c <= 'z') || std::string_view("+-._:/[]").contains(c);
    };
    auto rest = text;
    const auto scheme = detail::take_part(rest, ':');
    if (!detail::is_token(scheme) || !rest.starts_with("//") || !std::ranges::all_of(text, is_plain)) return false;
    const auto parts = detail::parse_host(rest.substr(2));
    if (!parts || !detail::can_be_server(parts->host)) return false;
    if (!parts->port) return !text.ends_with(':');
    // The port of the scheme is omitted, and others have no leading zero.
    const bool is_default = (scheme == "https" && parts->port == 443) || (scheme == "http" && parts->port == 80);
    return !is_default && text.ends_with(":" + std::to_string(*parts->port));
}

/// Returns whether a text is a list of tokens with commas. It may be empty.
bool is_list(std::string_view text) noexcept {
    while (!text.empty())
        if (!detail::is_token(detail::trim(detail::take_part(text, ',')))) return false;
    return true;
}

}  // namespace

cors_options& cors_options::origin(std::string allowed, std::source_location where) {
    if (allowed != "null" && !is_origin(allowed))
        throw misuse(
            "an origin is a scheme, a host and perhaps a port, in lower case: https://app.example "
            "(the port of the scheme is omitted)",
            where);
    origins_.push_back(std::move(allowed));
    return *this;
}

}  // namespace eddy::http

namespace eddy::detail {

cors_filter::cors_filter(http::cors_options&& options, const std::source_location& where) {
    for (const auto& list : {options.methods(), options.headers(), options.exposed_headers()})
        if (!http::is_list(list)) throw misuse("cors() needs lists with commas, such as \"PUT, DELETE\"", where);
    const auto has_star = [](const std::string& list) { return list.find('*') != std::string::npos; };
    if (options.credentials() && (options.has_any_origin() || has_star(options.methods()) ||
                                  has_star(options.headers()) || has_star(options.exposed_headers())))
        throw misuse("cors() with credentials needs the names of origins, methods and headers: browsers ignore \"*\"",
                     where);
    options_ = std::make_shared<const http::cors_options>(std::move(options));
}

cors_filter::pass::pass(const http::cors_options& options, const http::request& asked) : options_(&options) {
    const auto origin = asked.headers.get("Origin");
    if (options.has_any_origin()) {
        allowed_ = "*";
    } else if (origin && std::ranges::find(options.origins(), *origin) != options.origins().end()) {
        allowed_ = *origin;
    }
    if (asked.method == http::method::options && origin && asked.headers.contains("Access-Control-Request-Method"))
        refusal = preflight();
}

void cors_filter::pass::allow(http::response& answer) const {
    if (!options_->has_any_origin()) add_vary(answer.headers, "Origin");
    if (allowed_.empty()) return;
    answer.headers.set("Access-Control-Allow-Origin", allowed_);
    if (options_->credentials()) answer.headers.set("Access-Control-Allow-Credentials", "true");
    if (const auto& exposed = options_->exposed_headers(); !exposed.empty())
        answer.headers.set("Access-Control-Expose-Headers", exposed);
}

http::response cors_filter::pass::preflight() const {
    auto answer = allowed_.empty() ? http::response::text("this origin has no permission\n", http::status::forbidden)
                                   : http::response(http::status::no_content);
    allow(answer);
    if (allowed_.empty()) return answer;
    answer.headers.remove("Access-Control-Expose-Headers");
    if (!options_->methods().empty()) answer.headers.add("Access-Control-Allow-Methods", options_->methods());
    if (!options_->headers().empty()) answer.headers.add("Access-Control-Allow-Headers", options_->headers());
    if (const auto age = options_->max_age())
        answer.headers.add("Access-Control-Max-Age", std::to_string(age->count()));
    return answer;
}

}  // namespace eddy::detail
