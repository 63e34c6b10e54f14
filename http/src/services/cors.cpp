// SPDX-License-Identifier: MIT
#include <eddy/http/cors.hpp>

#include <algorithm>

#include <eddy/error.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/status.hpp>

#include "message/fields.hpp"
#include "message/syntax.hpp"

namespace eddy::http {

cors_options& cors_options::origin(std::string allowed, std::source_location where) {
    std::string_view host = allowed;
    const auto scheme = detail::take_part(host, ':');
    const bool has_host = detail::is_token(scheme) && host.starts_with("//") && host.size() > 2;
    const bool is_lower =
        std::ranges::none_of(allowed, [](char c) { return detail::to_lower(c) != c || c <= ' ' || c == 0x7f; });
    if (allowed != "null" && (!has_host || !is_lower || host.find_first_of("/?#@", 2) != std::string_view::npos))
        throw misuse("an origin is a scheme, a host and perhaps a port, in lower case: https://app.example", where);
    origins_.push_back(std::move(allowed));
    return *this;
}

}  // namespace eddy::http

namespace eddy::detail {

cors_filter::cors_filter(http::cors_options&& options, const std::source_location& where) {
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
