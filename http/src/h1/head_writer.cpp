// SPDX-License-Identifier: MIT
#include "h1/head_writer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "message/date.hpp"
#include "message/header_access.hpp"

namespace eddy::detail {
namespace {

/// Writes text to memory that is large enough.
class text_writer {
public:
    explicit text_writer(char* at) noexcept : at_(at) {}

    text_writer& put(std::string_view text) noexcept {
        at_ += text.copy(at_, text.size());
        return *this;
    }
    /// Same as above, for a string literal. It is inline, because a copy of constant size takes few instructions.
    template <std::size_t Size>
    text_writer& put(const char (&text)[Size]) noexcept {
        std::memcpy(at_, text, Size - 1);
        at_ += Size - 1;
        return *this;
    }
    text_writer& put(std::uint64_t number) noexcept {
        if (number < 100) {  // short bodies are frequent, and std::to_chars() takes twice as many instructions
            if (number >= 10) *at_++ = static_cast<char>('0' + number / 10);
            *at_++ = static_cast<char>('0' + number % 10);
            return *this;
        }
        at_ = std::to_chars(at_, at_ + most_digits, number).ptr;
        return *this;
    }
    void put_field(std::string_view name, std::string_view value) noexcept {
        put(name).put(": ").put(value).put("\r\n");
    }
    void put_length(std::uint64_t size) noexcept { put("Content-Length: ").put(size).put("\r\n"); }

    [[nodiscard]] char* end() const noexcept { return at_; }

private:
    static constexpr std::size_t most_digits = 20;

    char* at_;
};

/// The maximum number of bytes of a head without its fields, target and authority.
constexpr std::size_t most_added = 256;

/// Returns the number of bytes that put_fields() writes at most.
std::size_t size_of(const http::headers& fields) noexcept {
    std::size_t all = header_access::constant_line(fields).size();
    if (all != 0) return all;
    for (const auto& [name, value] : fields) all += name.size() + value.size() + 4;
    return all;
}

/// Appends what `write(text_writer&)` writes, which has at most `most` bytes.
template <class Write>
void append(std::string& out, std::size_t most, Write write) {
    const auto begin = out.size();
    out.resize_and_overwrite(begin + most, [&](char* text, std::size_t) {
        text_writer writer(text + begin);
        write(writer);
        return writer.end() - text;
    });
}

/// The fields of a message that the writers treat in a special way.
struct found_fields {
    bool date = false;
    bool connection = false;
};

/// Writes the fields of a message, except Connection, Transfer-Encoding and, by default, Content-Length.
found_fields put_fields(text_writer& to, const http::headers& fields, bool with_length,
                        bool with_type = true) noexcept {
    found_fields found;
    if (const auto line = header_access::constant_line(fields); !line.empty()) {
        if (with_type) to.put(line);  // it is Content-Type
        return found;
    }
    for (const auto& [name, value] : fields) {
        // Compares the sizes first, because that is faster. Not with a switch: its table of addresses is rarely in a
        // cache.
        const auto size = name.size();
        if (size == 4) {
            found.date = found.date || http::equal_names(name, "Date");
        } else if (size == 10 && http::equal_names(name, "Connection")) {
            found.connection = true;
            continue;
        } else if (size == 12 && !with_type && http::equal_names(name, "Content-Type")) {
            continue;
        } else if (size == 14 && !with_length && http::equal_names(name, "Content-Length")) {
            continue;
        } else if (size == 17 && http::equal_names(name, "Transfer-Encoding")) {
            continue;
        }
        to.put_field(name, value);
    }
    return found;
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

void put_status_line(text_writer& to, http::status code) noexcept {
    if (code == http::status::ok) {
        to.put("HTTP/1.1 200 OK\r\n");
        return;
    }
    to.put("HTTP/1.1 ").put(static_cast<std::uint64_t>(http::to_int(code))).put(" ");
    to.put(http::reason_of(code)).put("\r\n");
}

}  // namespace

body_framing write_response_head(std::string& out, const http::response& from, response_context& context) {
    using kind = body_framing::kind;
    const auto framing = framing_of(from, context);
    if (framing.is == kind::until_end) context.keeps_alive = false;
    // A HEAD response and a 304 announce the size of the body that they do not have.
    const bool announces = context.asked == http::method::head || from.status == http::status::not_modified;
    const bool has_own_length = announces && from.headers.contains("Content-Length");

    append(out, size_of(from.headers) + most_added, [&](text_writer& to) {
        put_status_line(to, from.status);
        // RFC 9110, section 15.4.5: a 304 does not repeat the fields that describe the body.
        const auto found = put_fields(to, from.headers, has_own_length, from.status != http::status::not_modified);
        if (found.connection && from.headers.has_token("Connection", "close")) context.keeps_alive = false;
        if (framing.is == kind::length) {
            to.put_length(framing.length);
        } else if (framing.is == kind::chunked) {
            to.put("Transfer-Encoding: chunked\r\n");
        } else if (context.asked == http::method::head && !has_own_length && from.body.size() &&
                   from.status != http::status::no_content && from.status != http::status::not_modified) {
            to.put_length(*from.body.size());
        }
        if (from.status == http::status::upgrade_required && from.headers.contains("Upgrade")) {
            // RFC 9110, section 7.8: a sender of Upgrade also sends this option.
            to.put("Connection: Upgrade");
            if (!context.keeps_alive) {
                to.put(", close");
            } else if (context.version == http::version::http_1_0) {
                to.put(", keep-alive");
            }
            to.put("\r\n");
        } else if (!context.keeps_alive) {
            to.put("Connection: close\r\n");
        } else if (context.version == http::version::http_1_0) {
            to.put("Connection: keep-alive\r\n");
        }
        if (!found.date) to.put("Date: ").put(current_date()).put("\r\n");
        to.put("\r\n");
    });
    return framing;
}

void write_switching_head(std::string& out, const http::response& from) {
    append(out, size_of(from.headers) + most_added, [&](text_writer& to) {
        put_status_line(to, http::status::switching_protocols);
        put_fields(to, from.headers, false);
        to.put("Connection: Upgrade\r\n\r\n");
    });
}

body_framing write_request_head(std::string& out, const http::request& from, std::string_view authority) {
    using kind = body_framing::kind;
    body_framing framing;
    const auto size = from.body.size();
    if (!size) {
        framing.is = kind::chunked;
    } else if (*size != 0) {
        framing = {kind::length, *size};
    }
    // RFC 9110, section 8.6: these methods anticipate a body, so a Content-Length of 0 announces that there is none.
    const bool announces_none = size == 0U && (from.method == http::method::post || from.method == http::method::put ||
                                               from.method == http::method::patch);

    append(out, from.target.size() + authority.size() + size_of(from.headers) + most_added, [&](text_writer& to) {
        to.put(http::to_string(from.method)).put(" ").put(from.target).put(" HTTP/1.1\r\n");
        if (!from.headers.contains("Host")) to.put_field("Host", authority);
        put_fields(to, from.headers, false);
        if (framing.is == kind::chunked) to.put("Transfer-Encoding: chunked\r\n");
        if (framing.is == kind::length || announces_none) to.put_length(framing.length);
        if (from.headers.has_token("Connection", "close")) to.put("Connection: close\r\n");
        to.put("\r\n");
    });
    return framing;
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
