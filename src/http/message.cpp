// SPDX-License-Identifier: MIT
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

namespace eddy::http {

std::string_view request::path() const noexcept { return std::string_view(target).substr(0, target.find('?')); }

std::string_view request::query() const noexcept {
    const auto mark = target.find('?');
    return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

std::optional<std::string> request::query(std::string_view name) const { return query_value(query(), name); }

std::string_view request::param(std::string_view name) const noexcept {
    for (const auto& [key, value] : parameters)
        if (key == name) return value;
    return {};
}

response response::text(std::string content, http::status outcome) {
    return of_type("text/plain; charset=utf-8", http::body(std::move(content)), outcome);
}

response response::of_type(std::string_view type, http::body content, http::status outcome) {
    response made(outcome, std::move(content));
    made.headers.add("Content-Type", type);
    return made;
}

response response::redirect(std::string_view to, http::status outcome) {
    response made(outcome);
    made.headers.add("Location", to);
    return made;
}

}  // namespace eddy::http
