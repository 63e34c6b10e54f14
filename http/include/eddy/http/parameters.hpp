// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <limits>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/status.hpp>

namespace eddy::http {

/// The types of parameters: integers, texts, and bool, which is "true" or "false".
template <class T>
concept parameter = detail::whole_number<T> || std::same_as<T, bool> || std::same_as<T, std::string>;

}  // namespace eddy::http

namespace eddy::detail {

/// Returns the response 400 to a request whose parameter `name` is not `needed`.
[[nodiscard]] EDDY_API http::response refuse_parameter(std::string_view name, std::string_view needed);

template <class T>
std::string needed_text() {
    if constexpr (std::same_as<T, std::string>) {
        return "a text";
    } else if constexpr (std::same_as<T, bool>) {
        return "true or false";
    } else {
        using limits = std::numeric_limits<T>;
        return "an integer from " + std::to_string(limits::min()) + " to " + std::to_string(limits::max());
    }
}

template <class T>
std::expected<T, http::response> parse_parameter(std::string_view name, std::optional<std::string> text) {
    if constexpr (std::same_as<T, std::string>) {
        if (text) return *std::move(text);
    } else if constexpr (std::same_as<T, bool>) {
        if (text && (*text == "true" || *text == "false")) return *text == "true";
    } else {
        if (const auto number = text ? parse_number<T>(*text) : std::nullopt) return *number;
    }
    return std::unexpected(refuse_parameter(name, needed_text<T>()));
}

}  // namespace eddy::detail

namespace eddy::http {

/// Returns a parameter of the path, as request::param() does, or the response 400 with the reason:
///     auto id = http::path_parameter<int>(asked, "id");
///     if (!id) co_return std::move(id.error());  // parameter "id": an integer from ... is needed
/// Errors: throws `misuse` if the route has no parameter of this name.
template <parameter T>
[[nodiscard]] std::expected<T, response> path_parameter(const request& of, std::string_view name,
                                                        std::source_location where = std::source_location::current()) {
    return detail::parse_parameter<T>(name, std::string(of.param(name, where)));
}

/// Returns a parameter of the query, or the response 400 with the reason if there is none, or if it is invalid.
template <parameter T>
[[nodiscard]] std::expected<T, response> query_parameter(const request& of, std::string_view name) {
    return detail::parse_parameter<T>(name, of.query(name));
}
/// Same, but returns `otherwise` if there is no such parameter, or if its encoding is invalid:
/// `query_parameter(asked, "page", 1)`.
template <parameter T>
[[nodiscard]] std::expected<T, response> query_parameter(const request& of, std::string_view name, T otherwise) {
    auto text = of.query(name);
    if (!text) return otherwise;
    return detail::parse_parameter<T>(name, std::move(text));
}

}  // namespace eddy::http
