// SPDX-License-Identifier: MIT
#include "message/set_cookie.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>

#include <eddy/http/headers.hpp>

#include "message/fields.hpp"

namespace eddy::detail {
namespace {

using std::chrono::sys_seconds;

// ---- Dates ----

/// Returns whether a byte separates the parts of a date: section 5.1.1.
bool is_delimiter(char c) noexcept {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x09 || (byte >= 0x20 && byte <= 0x2f) || (byte >= 0x3b && byte <= 0x40) ||
           (byte >= 0x5b && byte <= 0x60) || (byte >= 0x7b && byte <= 0x7e);
}

/// Removes all digits from the front of a text, and returns their number. Returns nullopt if they are fewer than
/// `least` or more than `most`.
std::optional<unsigned> take_number(std::string_view& text, std::size_t least, std::size_t most) noexcept {
    const auto* const end = std::ranges::find_if_not(text, is_digit);
    const auto digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
    if (digits.size() < least || digits.size() > most) return std::nullopt;
    unsigned number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    text.remove_prefix(digits.size());
    return number;
}

std::optional<unsigned> number_in(std::string_view text, std::size_t least, std::size_t most) noexcept {
    return take_number(text, least, most);
}

std::optional<std::chrono::seconds> time_in(std::string_view part) noexcept {
    std::array<unsigned, 3> numbers{};
    for (auto& each : numbers) {
        if (&each != numbers.data()) {
            if (!part.starts_with(':')) return std::nullopt;
            part.remove_prefix(1);
        }
        const auto number = take_number(part, 1, 2);
        if (!number) return std::nullopt;
        each = *number;
    }
    const auto [hour, minute, second] = numbers;
    // A time that does not exist is found, and makes the date invalid.
    if (hour > 23 || minute > 59 || second > 59) return std::chrono::seconds(-1);
    return std::chrono::hours(hour) + std::chrono::minutes(minute) + std::chrono::seconds(second);
}

std::optional<unsigned> month_in(std::string_view part) noexcept {
    constexpr std::array<std::string_view, 12> names = {"jan", "feb", "mar", "apr", "may", "jun",
                                                        "jul", "aug", "sep", "oct", "nov", "dec"};
    const auto* const found = std::ranges::find_if(
        names, [&](std::string_view name) { return http::equal_names(part.substr(0, name.size()), name); });
    if (found == names.end()) return std::nullopt;
    return static_cast<unsigned>(found - names.begin()) + 1;
}

/// The parts of a date that were found.
struct cookie_date {
    std::optional<std::chrono::seconds> time;
    std::optional<unsigned> day;
    std::optional<unsigned> month;
    std::optional<unsigned> year;

    /// Sets the first part that is missing and that the text can be.
    void add(std::string_view text) noexcept {
        static_cast<void>(set(time, time_in(text)) || set(day, number_in(text, 1, 2)) || set(month, month_in(text)) ||
                          set(year, number_in(text, 2, 4)));
    }

    [[nodiscard]] std::optional<sys_seconds> date() const noexcept {
        if (!time || !day || !month || !year || *time < std::chrono::seconds(0)) return std::nullopt;
        unsigned whole = *year;
        if (whole < 100) whole += whole < 70 ? 2000 : 1900;
        const std::chrono::year_month_day on(std::chrono::year(static_cast<int>(whole)), std::chrono::month(*month),
                                             std::chrono::day(*day));
        if (whole < 1601 || !on.ok()) return std::nullopt;
        return std::chrono::sys_days(on) + *time;
    }

private:
    template <class T>
    [[nodiscard]] static bool set(std::optional<T>& part, const std::optional<T>& found) noexcept {
        if (part || !found) return false;
        part = found;
        return true;
    }
};

// ---- Attributes ----

constexpr std::size_t most_of_attribute = 1024;  // browsers ignore longer ones
constexpr std::chrono::seconds longest_life = std::chrono::days(400);

/// Returns the time at which the lifetime of Max-Age ends, or nullopt if the text is not a number.
std::optional<sys_seconds> end_of_age(std::string_view text, sys_seconds now) noexcept {
    const bool is_negative = text.starts_with('-');
    const auto digits = text.substr(is_negative ? 1 : 0);
    if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
    auto left = std::chrono::seconds::zero();
    for (const char c : digits) left = std::min(longest_life, left * 10 + std::chrono::seconds(c - '0'));
    return is_negative || left.count() == 0 ? sys_seconds::min() : now + left;
}

std::optional<http::same_site> same_site_in(std::string_view text) noexcept {
    if (http::equal_names(text, "Strict")) return http::same_site::strict;
    if (http::equal_names(text, "Lax")) return http::same_site::lax;
    if (http::equal_names(text, "None")) return http::same_site::none;
    return std::nullopt;
}

std::string domain_in(std::string_view text) {
    if (text.starts_with('.')) text.remove_prefix(1);
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    return canonical_host(text);
}

}  // namespace

bool has_cookie_prefix(std::string_view name, std::string_view prefix) noexcept {
    return http::equal_names(name.substr(0, prefix.size()), prefix);
}

std::optional<sys_seconds> parse_cookie_date(std::string_view text) noexcept {
    cookie_date found;
    while (!text.empty()) {
        const auto* const end = std::ranges::find_if(text, is_delimiter);
        const auto size = static_cast<std::size_t>(end - text.begin());
        if (size != 0) found.add(text.substr(0, size));
        text.remove_prefix(std::min(size + 1, text.size()));
    }
    return found.date();
}

std::optional<set_cookie> parse_set_cookie(std::string_view text, sys_seconds now) {
    if (!is_value(text)) return std::nullopt;
    auto pair = take_part(text, ';');
    set_cookie made;
    if (pair.contains('=')) made.name = trim(take_part(pair, '='));
    made.value = trim(pair);
    if (made.name.empty() && made.value.empty()) return std::nullopt;
    std::optional<sys_seconds> end;
    while (!text.empty()) {
        auto rest = take_part(text, ';');
        const auto name = trim(take_part(rest, '='));
        const auto value = trim(rest);
        if (value.size() > most_of_attribute) continue;
        if (http::equal_names(name, "Expires")) {
            if (const auto date = parse_cookie_date(value)) made.expires = std::min(*date, now + longest_life);
        } else if (http::equal_names(name, "Max-Age")) {
            if (const auto age = end_of_age(value, now)) end = age;
        } else if (http::equal_names(name, "Domain")) {
            made.domain = domain_in(value);
        } else if (http::equal_names(name, "Path")) {
            made.path = value.starts_with('/') ? value : std::string_view();
            made.has_path = true;
        } else if (http::equal_names(name, "Secure")) {
            made.secure = true;
        } else if (http::equal_names(name, "HttpOnly")) {
            made.http_only = true;
        } else if (http::equal_names(name, "SameSite")) {
            made.same_site = same_site_in(value);
        }
    }
    if (end) made.expires = end;  // it comes before Expires
    return made;
}

}  // namespace eddy::detail
