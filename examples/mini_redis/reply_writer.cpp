// SPDX-License-Identifier: MIT
#include "reply_writer.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>

namespace mini_redis {
namespace {

constexpr std::size_t longest_head = 1 + 20 + 2;  // type, 64-bit number, end of line

char* put(char* at, std::string_view text) noexcept {
    std::memcpy(at, text.data(), text.size());
    return at + text.size();
}

char* put_number(char* at, char type, std::int64_t value) noexcept {
    *at++ = type;
    at = std::to_chars(at, at + 20, value).ptr;
    return put(at, "\r\n");
}

/// Reserves `most` bytes at the end of `into`. `write` fills them and returns the end of its output. So a reply of
/// several parts needs one capacity check.
template <class Write>
void append(eddy::bytes_mut& into, std::size_t most, Write write) {
    into.reserve(most);
    // SAFETY: bytes may be accessed as char; reserve() has made `most` of them writable, and `into` owns them.
    char* const begin = reinterpret_cast<char*>(into.end());
    into.advance_mut(static_cast<std::size_t>(write(begin) - begin));
}

}  // namespace

void reply_writer::error(std::string_view text) {
    text = text.substr(0, text.find_last_not_of("\r\n") + 1);
    if (text.find_first_of("\r\n") == text.npos) return line('-', text);
    std::string flat(text);
    std::ranges::replace_if(flat, [](char c) { return c == '\r' || c == '\n'; }, ' ');
    line('-', flat);
}

void reply_writer::bulk(std::string_view bytes) {
    append(*into_, longest_head + bytes.size() + 2, [&](char* at) {
        at = put_number(at, '$', static_cast<std::int64_t>(bytes.size()));
        return put(put(at, bytes), "\r\n");
    });
}

void reply_writer::verbatim(std::string_view text) {
    if (!is_resp3()) return bulk(text);
    constexpr std::string_view format = "txt:";
    append(*into_, longest_head + format.size() + text.size() + 2, [&](char* at) {
        at = put_number(at, '=', static_cast<std::int64_t>(format.size() + text.size()));
        return put(put(put(at, format), text), "\r\n");
    });
}

void reply_writer::literal(std::string_view text) {
    append(*into_, text.size(), [&](char* at) { return put(at, text); });
}

void reply_writer::line(char type, std::string_view text) {
    append(*into_, text.size() + 3, [&](char* at) {
        *at++ = type;
        return put(put(at, text), "\r\n");
    });
}

void reply_writer::number(char type, std::int64_t value) {
    append(*into_, longest_head, [&](char* at) { return put_number(at, type, value); });
}

}  // namespace mini_redis
