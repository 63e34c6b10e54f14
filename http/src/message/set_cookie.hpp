// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/http/cookies.hpp>

// The field Set-Cookie as a client reads it: RFC 6265bis (the draft that replaces RFC 6265), sections 5.1.1 and 5.6.
// Servers write it in more forms than section 4 permits, so the parser accepts nearly all of them.

namespace eddy::detail {

/// Returns whether the name of a cookie begins with a prefix such as "__Host-". Browsers compare it without case.
[[nodiscard]] bool has_cookie_prefix(std::string_view name, std::string_view prefix) noexcept;

/// Parses the date of the attribute Expires, whatever the order of its parts: "Sun, 06-Nov-94 08:49:37", "6 nov 1994
/// 8:49:37 GMT". Ignores the time zone, as all browsers do.
[[nodiscard]] std::optional<std::chrono::sys_seconds> parse_cookie_date(std::string_view text) noexcept;

/// A parsed field Set-Cookie.
struct set_cookie {
    std::string_view name;  // may be empty, then the value is not
    std::string_view value;
    std::optional<std::chrono::sys_seconds> expires;  // by Max-Age, or else by Expires
    std::string domain;                               // in lower case, without the first period; empty if there is none
    std::string_view path;                            // empty if there is none that begins with a slash
    bool has_path = false;                            // the attribute occurs
    std::optional<http::same_site> same_site;
    bool secure = false;
    bool http_only = false;

    set_cookie() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// Parses a field at the time `now`. If an attribute occurs several times, the last one counts. A cookie lives for at
/// most 400 days. Returns nullopt for a field without a name and a value, or with control characters.
/// Lifetime: the result has views into the text.
[[nodiscard]] std::optional<set_cookie> parse_set_cookie(std::string_view text, std::chrono::sys_seconds now);

}  // namespace eddy::detail
