// SPDX-License-Identifier: MIT
#include <eddy/http/access_log.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>

#include "message/syntax.hpp"

namespace eddy::detail {
namespace {

/// What a line says. Texts are empty if they are not known.
struct log_entry {
    http::status status;
    std::string_view method;
    std::string_view target;
    std::string_view version;
    std::string_view id;
    std::string_view note;
    const std::optional<net::socket_addr>& peer;
    std::optional<std::uint64_t> bytes;
    std::optional<std::chrono::nanoseconds> time;

    log_entry(http::status code, std::string_view what, std::string_view of,
              const std::optional<net::socket_addr>& from) noexcept
        : status(code), method(what), target(of), peer(from) {}
};

std::string_view text_of(http::version version) noexcept {
    if (version == http::version::http_2) return "2.0";
    return version == http::version::http_1_1 ? "1.1" : "1.0";
}

bool is_plain(char c) noexcept { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; }

/// Appends a text, in which a backslash stands before quotes and backslashes. `escape` and two hexadecimal digits stand
/// for each byte that is not printable ASCII: the id of a client may have tabs, and bytes from 0x80.
void append_escaped(std::string& to, std::string_view text, std::string_view escape) {
    constexpr std::string_view digits = "0123456789abcdef";
    for (;;) {
        const auto plain = static_cast<std::size_t>(std::ranges::find_if_not(text, is_plain) - text.begin());
        to += text.substr(0, plain);
        if (plain == text.size()) return;
        const char c = text[plain];
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            to.append(1, '\\').append(1, c);
        } else {
            to.append(escape).append(1, digits[byte / 16]).append(1, digits[byte % 16]);
        }
        text.remove_prefix(plain + 1);
    }
}

/// The parts of the current date, from a text such as "Sun, 06 Nov 1994 08:49:37 GMT".
struct date_parts {
    std::string_view text = current_date();
    std::string_view day = text.substr(5, 2);
    std::string_view month = text.substr(8, 3);
    std::string_view year = text.substr(12, 4);
    std::string_view time = text.substr(17, 8);
};

/// Returns an empty line with memory for all of it, unless many bytes are escaped.
std::string empty_line(const log_entry& of) {
    std::string line;
    line.reserve(224 + of.target.size() + of.id.size());
    return line;
}

std::string common_line(const log_entry& of) {
    const date_parts now;
    auto line = empty_line(of);
    line += of.peer ? of.peer->ip().to_string() : "-";
    line.append(" - - [").append(now.day).append("/").append(now.month).append("/").append(now.year);
    line.append(":").append(now.time).append(" +0000] \"");
    append_escaped(line, of.method.empty() ? "-" : of.method, "\\x");
    if (!of.target.empty()) append_escaped(line += ' ', of.target, "\\x");
    if (!of.version.empty()) line.append(" HTTP/").append(of.version);
    line.append("\" ").append(std::to_string(to_int(of.status))).append(" ");
    return line.append(of.bytes ? std::to_string(*of.bytes) : "-");
}

std::string json_line(const log_entry& of) {
    constexpr std::string_view months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const date_parts now;
    const auto month = std::to_string(101 + months.find(now.month) / 3);
    auto line = empty_line(of);
    // As views: append() measures a literal when the program runs.
    const auto add = [&](auto... parts) { (line.append(std::string_view(parts)), ...); };
    const auto add_text = [&](std::string_view name, std::string_view text) {
        if (text.empty()) return;
        add(name, ":\"");
        append_escaped(line, text, "\\u00");
        line += '"';
    };
    add("{\"time\":\"", now.year, "-", std::string_view(month).substr(1), "-", now.day, "T", now.time, "Z\"");
    if (of.peer) add_text(",\"client\"", of.peer->ip().to_string());
    add_text(",\"method\"", of.method);
    add_text(",\"target\"", of.target);
    add_text(",\"version\"", of.version);
    add(",\"status\":", std::to_string(to_int(of.status)));
    if (of.bytes) add(",\"bytes\":", std::to_string(*of.bytes));
    if (of.time) {
        const auto time = std::chrono::duration_cast<std::chrono::microseconds>(*of.time).count();
        add(",\"seconds\":", to_decimal(static_cast<std::uint64_t>(time), 6));
    }
    add_text(",\"id\"", of.id);
    add_text(",\"note\"", of.note);
    line += '}';
    return line;
}

void write_line(const log_target& to, const log_entry& what) {
    to.write(to.format == http::log_format::json ? json_line(what) : common_line(what));
}

}  // namespace

log_line::log_line(const log_target& to, const http::request& asked)
    : to_(to),
      method_(asked.method),
      version_(asked.version),
      target_(asked.target),
      id_(asked.headers.get("X-Request-Id").value_or("").substr(0, most_of_id)),
      peer_(asked.peer) {}

void log_line::finish(const http::response& answer) noexcept {
    status_ = answer.status;
    bytes_ = method_ == http::method::head ? std::optional<std::uint64_t>(0) : answer.body.size();
}

void log_line::fail(const std::error_code& why) noexcept {
    status_ = status_of_service_error(why);
    bytes_.reset();
}

log_line::~log_line() {
    log_entry what(status_, http::to_string(method_), target_, peer_);
    what.version = text_of(version_);
    what.id = id_;
    what.bytes = bytes_;
    what.time = time::clock::now() - start_;
    write_line(to_, what);
}

void log_refusal(const log_target& to, const http::refused_request& what) {
    log_entry line(what.status, what.method, what.target, what.peer);
    line.note = what.note;
    write_line(to, line);
}

}  // namespace eddy::detail
