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

bool can_be_server(std::string_view host) noexcept {
    host = without_last_period(host);
    return !host.empty() && !host.starts_with('.') && !host.ends_with('.') && !host.contains("..");
}

// ---- Dates ----

namespace {

constexpr std::string_view pattern = "xxx, 00 xxx 0000 00:00:00 GMT";
constexpr std::string_view day_names = "SunMonTueWedThuFriSat";
constexpr std::string_view month_names = "JanFebMarAprMayJunJulAugSepOctNovDec";

void put_name(date_text& to, std::size_t at, std::string_view names, unsigned index) noexcept {
    std::ranges::copy(names.substr(std::size_t{3} * index, 3), to.begin() + static_cast<std::ptrdiff_t>(at));
}

void put_number(date_text& to, std::size_t at, std::size_t digits, unsigned number) noexcept {
    for (; digits != 0; --digits, number /= 10) to[at + digits - 1] = static_cast<char>('0' + number % 10);
}

unsigned number_at(std::string_view text, std::size_t at, std::size_t digits) noexcept {
    unsigned number = 0;
    for (const char c : text.substr(at, digits)) number = number * 10 + static_cast<unsigned>(c - '0');
    return number;
}

}  // namespace

date_text format_date(std::int64_t seconds) noexcept {
    using namespace std::chrono;  // NOLINT(google-build-using-namespace): for the names of the calendar
    const sys_seconds time{std::chrono::seconds(seconds)};
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    date_text text{};
    std::ranges::copy(pattern, text.begin());
    put_name(text, 0, day_names, weekday(day).c_encoding());
    put_number(text, 5, 2, static_cast<unsigned>(date.day()));
    put_name(text, 8, month_names, static_cast<unsigned>(date.month()) - 1);
    put_number(text, 12, 4, static_cast<unsigned>(static_cast<int>(date.year())));
    put_number(text, 17, 2, static_cast<unsigned>(clock.hours().count()));
    put_number(text, 20, 2, static_cast<unsigned>(clock.minutes().count()));
    put_number(text, 23, 2, static_cast<unsigned>(clock.seconds().count()));
    return text;
}

std::optional<std::int64_t> parse_date(std::string_view text) noexcept {
    using namespace std::chrono;  // NOLINT(google-build-using-namespace): for the names of the calendar
    if (text.size() != pattern.size()) return std::nullopt;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        const bool fits = pattern[i] == '0' ? is_digit(text[i]) : pattern[i] == 'x' || pattern[i] == text[i];
        if (!fits) return std::nullopt;
    }
    const auto month_at = month_names.find(text.substr(8, 3));
    if (month_at == std::string_view::npos || month_at % 3 != 0) return std::nullopt;
    const year_month_day date(year(static_cast<int>(number_at(text, 12, 4))),
                              month(static_cast<unsigned>(month_at / 3) + 1), day(number_at(text, 5, 2)));
    const auto hour = number_at(text, 17, 2);
    const auto minute = number_at(text, 20, 2);
    const auto second = number_at(text, 23, 2);
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    const auto midnight = sys_days(date).time_since_epoch();
    return duration_cast<seconds>(midnight).count() + std::int64_t{hour} * 3600 + minute * 60 + second;
}

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
