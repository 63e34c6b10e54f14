// SPDX-License-Identifier: MIT
#include "http/head_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <ctime>

namespace eddy::detail {
namespace {

void write_field(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

void write_number(std::string& out, std::uint64_t number) {
    std::array<char, 20> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    out.append(digits.data(), end);
}

void write_length(std::string& out, std::uint64_t size) {
    out.append("Content-Length: ");
    write_number(out, size);
    out.append("\r\n");
}

/// Writes the fields of a message, except Connection, Transfer-Encoding and, by default, Content-Length.
void write_fields(std::string& out, const http::headers& fields, bool with_length) {
    for (const auto& [name, value] : fields) {
        // Compares the sizes first, because that is faster.
        if (name.size() == 10 && http::equal_names(name, "Connection")) continue;
        if (name.size() == 17 && http::equal_names(name, "Transfer-Encoding")) continue;
        if (name.size() == 14 && !with_length && http::equal_names(name, "Content-Length")) continue;
        write_field(out, name, value);
    }
}

body_framing framing_of(const http::response& from, const response_context& context) noexcept {
    using kind = body_framing::kind;
    const bool has_body = from.status != http::status::no_content && from.status != http::status::not_modified &&
                          context.asked != http::method::head;
    if (!has_body) return {};
    const auto size = from.body.size();
    if (size) return {kind::length, *size};
    return {context.version == http::version::http_1_1 ? kind::chunked : kind::until_end, 0};
}

void write_status_line(std::string& out, http::status code) {
    if (code == http::status::ok) {
        out.append("HTTP/1.1 200 OK\r\n");
        return;
    }
    out.append("HTTP/1.1 ");
    write_number(out, static_cast<std::uint64_t>(http::to_int(code)));
    out.append(" ").append(http::reason_of(code)).append("\r\n");
}

}  // namespace

body_framing write_response_head(std::string& out, const http::response& from, response_context& context) {
    using kind = body_framing::kind;
    const auto framing = framing_of(from, context);
    if (framing.is == kind::until_end) context.keeps_alive = false;

    write_status_line(out, from.status);
    // A HEAD response and a 304 announce the size of the body that they do not have.
    const bool announces = context.asked == http::method::head || from.status == http::status::not_modified;
    const bool has_own_length = announces && from.headers.contains("Content-Length");
    write_fields(out, from.headers, has_own_length);
    if (framing.is == kind::length) {
        write_length(out, framing.length);
    } else if (framing.is == kind::chunked) {
        out.append("Transfer-Encoding: chunked\r\n");
    } else if (context.asked == http::method::head && !has_own_length && from.body.size() &&
               from.status != http::status::no_content && from.status != http::status::not_modified) {
        write_length(out, *from.body.size());
    }
    if (!context.keeps_alive) {
        out.append("Connection: close\r\n");
    } else if (context.version == http::version::http_1_0) {
        out.append("Connection: keep-alive\r\n");
    }
    if (!from.headers.contains("Date")) {
        out.append("Date: ");
        write_date(out);
        out.append("\r\n");
    }
    out.append("\r\n");
    return framing;
}

body_framing write_request_head(std::string& out, const http::request& from, std::string_view authority) {
    using kind = body_framing::kind;
    out.append(http::to_string(from.method)).append(" ").append(from.target).append(" HTTP/1.1\r\n");
    if (!from.headers.contains("Host")) write_field(out, "Host", authority);
    write_fields(out, from.headers, false);
    body_framing framing;
    const auto size = from.body.size();
    if (!size) {
        framing.is = kind::chunked;
        out.append("Transfer-Encoding: chunked\r\n");
    } else if (*size != 0) {
        framing = {kind::length, *size};
        write_length(out, *size);
    } else if (from.method == http::method::post || from.method == http::method::put ||
               from.method == http::method::patch) {
        write_length(out, 0);  // RFC 9110, section 8.6: these methods anticipate a body
    }
    if (from.headers.has_token("Connection", "close")) out.append("Connection: close\r\n");
    out.append("\r\n");
    return framing;
}

void write_date(std::string& out) {
    struct formatted {
        std::time_t second = -1;
        std::array<char, 29> text{};
    };
    static thread_local constinit formatted last;
    const auto now = std::time(nullptr);
    if (last.second != now) {
        static constexpr std::string_view days = "SunMonTueWedThuFriSat";
        static constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        std::array<char, 64> text{};
        // Not with %a and %b, which depend on the locale.
        std::strftime(text.data(), text.size(), "xxx, %d xxx %Y %H:%M:%S GMT", &parts);
        std::ranges::copy(days.substr(static_cast<std::size_t>(parts.tm_wday) * 3, 3), text.begin());
        std::ranges::copy(months.substr(static_cast<std::size_t>(parts.tm_mon) * 3, 3), text.begin() + 8);
        std::copy_n(text.begin(), last.text.size(), last.text.begin());
        last.second = now;
    }
    out.append(last.text.data(), last.text.size());
}

}  // namespace eddy::detail
