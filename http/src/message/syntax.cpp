// SPDX-License-Identifier: MIT
#include "message/syntax.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>

#include <eddy/net/socket_addr.hpp>

namespace eddy::detail {

std::string lower_case(std::string_view text) {
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(), to_lower);
    return lower;
}

// ---- Hosts ----

namespace {

/// Returns whether `host` contains only the characters of a name, and each "%" begins a percent-encoded byte.
bool is_reg_name(std::string_view host) noexcept {
    for (std::size_t i = 0; i < host.size(); ++i) {
        if (host_characters.contains(host[i])) continue;
        if (host[i] != '%' || host.size() - i < 3) return false;
        if (hex_value(host[i + 1]) < 0 || hex_value(host[i + 2]) < 0) return false;
        i += 2;
    }
    return true;
}

/// Parses a port. Returns whether it can be connected to. Leaves `port` empty if the text is empty, which means the
/// default port.
/// Preconditions: `text` contains only digits.
bool parse_port(std::string_view text, std::optional<std::uint16_t>& port) noexcept {
    if (text.empty()) return true;
    std::uint32_t number = 0;
    for (const char c : text) {
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
        if (number > std::numeric_limits<std::uint16_t>::max()) return false;
    }
    if (number == 0) return false;
    port = static_cast<std::uint16_t>(number);
    return true;
}

}  // namespace

std::optional<host_texts> split_host(std::string_view text) noexcept {
    host_texts parts({}, {});
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        parts.host = text.substr(1, end - 1);
        if (!net::ipv6_addr::parse(parts.host)) return std::nullopt;
        text.remove_prefix(end + 1);
    } else {
        parts.host = text.substr(0, text.find(':'));
        if (!is_reg_name(parts.host)) return std::nullopt;
        text.remove_prefix(parts.host.size());
    }
    if (text.empty()) return parts;
    parts.port = text.substr(1);
    if (text.front() != ':' || !std::ranges::all_of(parts.port, is_digit)) return std::nullopt;
    return parts;
}

std::optional<host_parts> parse_host(std::string_view text) noexcept {
    const auto texts = split_host(text);
    if (!texts) return std::nullopt;
    host_parts parts(texts->host, std::nullopt);
    if (!parse_port(texts->port, parts.port)) return std::nullopt;
    return parts;
}

std::string canonical_host(std::string_view host) {
    const auto address = net::ipv6_addr::parse(host);
    return address ? address->to_string() : lower_case(host);
}

bool can_be_server(std::string_view host) noexcept {
    host = without_last_period(host);
    return !host.empty() && !host.starts_with('.') && !host.ends_with('.') && !host.contains("..");
}

bool is_loopback(std::string_view host) noexcept {
    if (const auto address = net::ip_addr::parse(host)) {
        const auto v6 = address->as_v6();
        const auto mapped = v6 ? v6->to_ipv4_mapped() : std::nullopt;
        return mapped ? mapped->is_loopback() : address->is_loopback();
    }
    host = without_last_period(host);
    return host == "localhost" || host.ends_with(".localhost");
}

// ---- Dates ----

namespace {

constexpr std::string_view month_names = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::array<std::string_view, 7> day_names = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};

/// What follows the day of the week in a date, and the indices of the other parts. In the pattern, "0" stands for a
/// digit, "_" for a digit or a space, and "x" for any character.
struct date_form {
    std::string_view pattern;
    std::size_t day;
    std::size_t month;
    std::size_t year;
    std::size_t clock;
    bool is_rfc850 = false;  // the name of the day is complete, and the year has two digits
};
constexpr std::array<date_form, 3> forms = {{
    {", 00 xxx 0000 00:00:00 GMT", 2, 5, 9, 14},
    {", 00-xxx-00 00:00:00 GMT", 2, 5, 9, 12, true},
    {" xxx _0 00:00:00 0000", 5, 1, 17, 8},
}};

void put_text(date_text& to, std::size_t at, std::string_view text) noexcept {
    std::ranges::copy(text, to.begin() + static_cast<std::ptrdiff_t>(at));
}

void put_number(date_text& to, std::size_t at, std::size_t digits, unsigned number) noexcept {
    for (; digits != 0; --digits, number /= 10) to[at + digits - 1] = static_cast<char>('0' + number % 10);
}

unsigned number_at(std::string_view text, std::size_t at, std::size_t digits) noexcept {
    unsigned number = 0;
    for (const char c : text.substr(at, digits)) number = number * 10 + (c == ' ' ? 0 : static_cast<unsigned>(c - '0'));
    return number;
}

bool has_form(std::string_view text, const date_form& form) noexcept {
    return std::ranges::equal(text, form.pattern, [](char c, char wanted) {
        if (wanted == '0') return is_digit(c);
        return wanted == 'x' || c == wanted || (wanted == '_' && (is_digit(c) || c == ' '));
    });
}

bool is_day_name(std::string_view text, bool is_whole) noexcept {
    return std::ranges::any_of(day_names,
                               [&](std::string_view each) { return text == (is_whole ? each : each.substr(0, 3)); });
}

/// Adds the century to a year of two digits: see parse_date().
std::chrono::year_month_day with_century(std::chrono::year_month_day date, std::chrono::seconds clock,
                                         std::chrono::sys_seconds now) noexcept {
    using namespace std::chrono;  // NOLINT(google-build-using-namespace): for the names of the calendar
    const auto current = static_cast<int>(year_month_day(floor<days>(now)).year());
    date += years(current / 100 * 100 + 100);
    while (sys_days(date - years(50)) + clock > now) date -= years(100);
    return date;
}

}  // namespace

date_text format_date(std::int64_t seconds) noexcept {
    using namespace std::chrono;  // NOLINT(google-build-using-namespace): for the names of the calendar
    const sys_seconds time{std::chrono::seconds(seconds)};
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    date_text text{};
    put_text(text, 0, day_names[weekday(day).c_encoding()].substr(0, 3));
    put_text(text, 3, forms.front().pattern);
    put_number(text, 5, 2, static_cast<unsigned>(date.day()));
    put_text(text, 8, month_names.substr(std::size_t{3} * (static_cast<unsigned>(date.month()) - 1), 3));
    put_number(text, 12, 4, static_cast<unsigned>(static_cast<int>(date.year())));
    put_number(text, 17, 2, static_cast<unsigned>(clock.hours().count()));
    put_number(text, 20, 2, static_cast<unsigned>(clock.minutes().count()));
    put_number(text, 23, 2, static_cast<unsigned>(clock.seconds().count()));
    return text;
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) noexcept {
    using namespace std::chrono;  // NOLINT(google-build-using-namespace): for the names of the calendar
    const auto day_name = text.substr(0, text.find_first_of(", "));
    text.remove_prefix(day_name.size());
    const auto* const form = std::ranges::find_if(forms, [&](const date_form& each) { return has_form(text, each); });
    if (form == forms.end() || !is_day_name(day_name, form->is_rfc850)) return std::nullopt;
    const auto month_at = month_names.find(text.substr(form->month, 3));
    const auto hour = number_at(text, form->clock, 2);
    const auto minute = number_at(text, form->clock + 3, 2);
    const auto second = number_at(text, form->clock + 6, 2);
    if (month_at == std::string_view::npos || month_at % 3 != 0) return std::nullopt;
    if (hour > 23 || minute > 59 || second > 60) return std::nullopt;
    const auto clock = hours(hour) + minutes(minute) + seconds(second);
    year_month_day date(year(static_cast<int>(number_at(text, form->year, form->is_rfc850 ? 2 : 4))),
                        month(static_cast<unsigned>(month_at / 3) + 1), day(number_at(text, form->day, 2)));
    if (form->is_rfc850) date = with_century(date, clock, sys_seconds(seconds(now)));
    if (!date.ok()) return std::nullopt;
    return (sys_days(date) + clock).time_since_epoch().count();
}

std::optional<std::int64_t> parse_date(std::string_view text) noexcept { return parse_date(text, std::time(nullptr)); }

std::string_view current_date() {
    struct formatted {
        std::time_t second = -1;
        date_text text{};
    };
    static thread_local constinit formatted last;
    const auto now = std::time(nullptr);
    if (last.second != now) {
        last.text = format_date(now);
        last.second = now;
    }
    return {last.text.data(), last.text.size()};
}

}  // namespace eddy::detail
