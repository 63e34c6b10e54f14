// SPDX-License-Identifier: MIT
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

#include <charconv>
#include <string>

#include <eddy/error.hpp>

#include "message/fields.hpp"

namespace eddy::detail {
namespace {

template <class T>
std::optional<T> parse_all(std::string_view text) noexcept {
    T number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

}  // namespace

std::optional<std::int64_t> parse_signed(std::string_view text) noexcept { return parse_all<std::int64_t>(text); }
std::optional<std::uint64_t> parse_unsigned(std::string_view text) noexcept { return parse_all<std::uint64_t>(text); }

}  // namespace eddy::detail

namespace eddy::http {
namespace {

using detail::header_access;

constexpr header_access::constant_field text_type("Content-Type", "text/plain; charset=utf-8");
constexpr header_access::constant_field json_type("Content-Type", "application/json");

}  // namespace

std::string_view request::path() const noexcept { return std::string_view(target).substr(0, target.find('?')); }

std::string_view request::query() const noexcept {
    const auto mark = target.find('?');
    return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

std::optional<std::string> request::query(std::string_view name) const { return query_value(query(), name); }

std::string_view request::param(std::string_view name, std::source_location where) const {
    std::string names;
    for (const auto& [key, value] : parameters) {
        if (key == name) return value;
        names.append(names.empty() ? "its parameters are " : ", ").append(key);
    }
    throw misuse("the route of this request has no parameter \"" + std::string(name) +
                     "\": " + (names.empty() ? "it has no parameters" : names) + "; write {" + std::string(name) +
                     "} in the pattern of the route, or correct the name",
                 where);
}

response response::text(http::body content, http::status outcome) {
    response made(outcome, std::move(content));
    header_access::refer_to(made.headers, text_type);
    return made;
}

response response::json(http::body content, http::status outcome) {
    response made(outcome, std::move(content));
    header_access::refer_to(made.headers, json_type);
    return made;
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
