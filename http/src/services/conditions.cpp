// SPDX-License-Identifier: MIT
#include "services/conditions.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

#include "message/syntax.hpp"

namespace eddy::detail {
namespace {

/// Returns whether the list of ETags in the fields `name` has this one. A weak comparison ignores "W/".
bool lists_etag(const http::headers& fields, std::string_view name, std::string_view etag, bool is_weak) noexcept {
    for (const auto& [key, value] : fields) {
        if (!http::equal_names(key, name)) continue;
        if (trim(value) == "*") return true;
        // The server's own ETags have no comma, so a list is split without regard to quotation marks.
        for (auto rest = value; !rest.empty();) {
            auto each = trim(take_part(rest, ','));
            if (is_weak && each.starts_with("W/")) each.remove_prefix(2);
            if (each == etag) return true;
        }
    }
    return false;
}

std::optional<std::int64_t> date_of(const http::headers& fields, std::string_view name) noexcept {
    const auto value = fields.get(name);
    return value ? parse_date(*value) : std::nullopt;
}

/// Returns 304 or 412 if a condition is not met.
std::optional<http::status> failed_condition(const http::request& asked, const representation& of) noexcept {
    const auto& fields = asked.headers;
    if (fields.contains("If-Match")) {
        if (!lists_etag(fields, "If-Match", of.etag, false)) return http::status::precondition_failed;
    } else if (const auto date = date_of(fields, "If-Unmodified-Since"); date && of.modified > *date) {
        return http::status::precondition_failed;
    }
    if (fields.contains("If-None-Match")) {
        if (lists_etag(fields, "If-None-Match", of.etag, true)) return http::status::not_modified;
    } else if (const auto date = date_of(fields, "If-Modified-Since"); date && of.modified <= *date) {
        return http::status::not_modified;
    }
    return std::nullopt;
}

/// Returns whether Range applies: the version that the client has a part of, if it names one, is the current one.
bool range_applies(const http::headers& fields, const representation& of) noexcept {
    const auto condition = fields.get("If-Range");
    if (!condition) return of.has_strong_date || fields.contains("If-Match") || !fields.contains("If-Unmodified-Since");
    if (condition->starts_with('"')) return *condition == of.etag;
    return of.has_strong_date && parse_date(*condition) == of.modified;
}

/// Parses digits. A number that is too large becomes the largest one.
std::optional<std::uint64_t> parse_position(std::string_view text) noexcept {
    if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t number = 0;
    for (const char c : text) {
        const auto digit = static_cast<std::uint64_t>(c - '0');
        if (number > (most - digit) / 10) return most;
        number = number * 10 + digit;
    }
    return number;
}

}  // namespace

selected_part select_part(const http::request& asked, const representation& of) {
    const auto failed = failed_condition(asked, of);
    if (failed) return {*failed, 0, 0};
    const selected_part whole(http::status::ok, 0, of.size);
    if (asked.method != http::method::get || asked.headers.count("Range") != 1) return whole;
    const auto range = *asked.headers.get("Range");
    if (range.size() < 6 || !http::equal_names(range.substr(0, 6), "bytes=")) return whole;
    auto rest = range.substr(6);
    if (rest.contains(',') || !rest.contains('-') || !range_applies(asked.headers, of)) return whole;
    const auto first = trim(take_part(rest, '-'));
    const auto last = trim(rest);
    const auto end = parse_position(last);
    if (first.empty()) {  // the last bytes
        if (!end) return whole;
        const auto count = std::min(*end, of.size);
        if (count == 0) return {http::status::range_not_satisfiable, 0, 0};
        return {http::status::partial_content, of.size - count, count};
    }
    const auto begin = parse_position(first);
    if (!begin || (!end && !last.empty()) || (end && *end < *begin)) return whole;
    if (*begin >= of.size) return {http::status::range_not_satisfiable, 0, 0};
    const auto most = of.size - *begin;
    const auto count = end && *end - *begin < most ? *end - *begin + 1 : most;
    return {http::status::partial_content, *begin, count};
}

}  // namespace eddy::detail
