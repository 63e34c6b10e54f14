// SPDX-License-Identifier: MIT
// Reads what http_parsers/main.go prints, and compares it with the parsers of eddy::http. Exits with 1 if one differs.
#include <eddy/http.hpp>
#include <eddy/http/h1.hpp>
#include <eddy/http/json.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "message/syntax.hpp"
#include "support/bytes_of_hex.hpp"

namespace {

namespace http = eddy::http;

constexpr std::int64_t now = 1796119200;  // in 2026, which main.go assumes, too

struct parser {
    std::function<std::optional<std::string>(const std::string&)> parse;
    bool is_stricter = false;  // it may refuse what Go accepts
    bool is_laxer = false;     // and the reverse
    std::size_t accepted = 0;
    std::size_t refused = 0;
};

template <class T>
std::optional<std::string> number(const std::string& text) {
    const auto value = eddy::detail::parse_number<T>(text);
    if (!value) return std::nullopt;
    return std::to_string(*value);
}

std::optional<std::string> query(const std::string& text) { return http::query_value("name=" + text, "name"); }

std::optional<std::string> date(const std::string& text) {
    const auto seconds = eddy::detail::parse_date(text, now);
    if (!seconds) return std::nullopt;
    return std::to_string(*seconds);
}

std::optional<std::string> server(const std::string& text) {
    const auto made = http::url::parse(text);
    if (!made) return std::nullopt;
    return made->host() + ' ' + std::to_string(made->port());
}

std::optional<std::string> json(const std::string& text) try {
    static_cast<void>(eddy::detail::parse_json(text));
    return "";
} catch (const std::exception&) {
    return std::nullopt;
}

std::optional<std::string> request(const std::string& text) {
    http::h1::server_engine engine;
    std::string_view input = text;
    if (engine.receive(input) != http::h1::engine::event::head) return std::nullopt;
    const auto& got = engine.request();
    std::string fields;
    for (const auto& [name, value] : got.headers)
        if (http::equal_names(name, "X-Test")) fields.append(fields.empty() ? "" : "|").append(value);
    return std::string(http::to_string(got.method)) + ' ' + got.target + ' ' +
           std::string(got.headers.get("Host").value_or("")) + ' ' + fields;
}

/// Returns what a parser made of a text as main.go prints it, but not hexadecimal.
std::string shown(const std::optional<std::string>& value) { return value ? "=" + *value : "none"; }

/// Returns whether the two parsers agree. Where a parser of eddy may be stricter or laxer, they also agree if only one
/// of them accepts the text.
bool agree(const parser& by, const std::optional<std::string>& ours, const std::string& theirs) {
    if (shown(ours) == theirs) return true;
    return ours ? by.is_laxer && theirs == "none" : by.is_stricter;
}

}  // namespace

int main() {
    std::map<std::string, parser, std::less<>> parsers{
        {"signed", {number<std::int64_t>}},
        {"unsigned", {number<std::uint64_t>}},
        {"percent", {http::decode_percent}},
        {"query", {query}},
        {"date", {date, true}},
        {"url", {server, true, true}},
        {"json", {json, true}},
        {"request", {request, true}},
    };
    std::size_t different = 0;
    std::string name, text, expected;
    while (std::getline(std::cin, name, '\t') && std::getline(std::cin, text, '\t') &&
           std::getline(std::cin, expected)) {
        auto& by = parsers.at(name);
        text = support::bytes_of_hex(text);
        expected = support::bytes_of_hex(expected);
        const auto ours = by.parse(text);
        ++(ours ? by.accepted : by.refused);
        if (agree(by, ours, expected)) continue;
        if (++different <= 20)
            std::cout << name << ' ' << std::quoted(text) << ": eddy " << shown(ours) << ", Go " << expected << '\n';
    }
    for (const auto& [each, by] : parsers) {
        std::cout << each << ": " << by.accepted << " accepted, " << by.refused << " refused\n";
        if (by.accepted == 0 || by.refused == 0) ++different;
    }
    std::cout << different << " texts that eddy and Go read differently\n";
    return different == 0 ? 0 : 1;
}
