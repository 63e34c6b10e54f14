// SPDX-License-Identifier: MIT
#include "h1/head.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include <eddy/http/h1.hpp>

#include "message/fields.hpp"

namespace eddy::detail {

using http::equal_names;
using http::status;

head_scanner::outcome head_scanner::scan(std::string_view window, std::size_t limit) noexcept {
    // Scans nothing beyond the limit, so that the outcome does not depend on the sizes of the reads.
    const bool exceeds = window.size() > limit;
    window = window.substr(0, limit);
    const auto cannot_begin = [&] {
        return window.size() > begin_ && window[begin_] != '\r' && !token_characters.contains(window[begin_]);
    };
    if (!has_line_ && cannot_begin()) return outcome::malformed;
    std::size_t at = seen_;
    for (;;) {
        const auto end = window.find('\n', at);
        if (end == std::string_view::npos) break;
        if (end == line_ || window[end - 1] != '\r') return outcome::malformed;
        const bool is_empty = end == line_ + 1;
        line_ = at = end + 1;
        if (!is_empty) {
            has_line_ = true;
            continue;
        }
        if (has_line_) return outcome::complete;
        if (begin_ != 0) return outcome::malformed;
        begin_ = line_;  // RFC 9112, section 2.2: an empty line before a request is ignored
        if (cannot_begin()) return outcome::malformed;
    }
    seen_ = window.size();
    if (!exceeds) return outcome::incomplete;
    return has_line_ ? outcome::too_large : outcome::line_too_long;
}

namespace {

/// Returns whether `name` is the name of a header field that is written in lower case as `lower_case`.
/// Preconditions: `name` is a token of the same size. `lower_case` contains only letters and '-'.
template <std::size_t Size>
bool is_named(std::string_view name, const char (&lower_case)[Size]) noexcept {
    // In a token, only an upper-case letter becomes another letter by this bit, and no other character becomes '-'.
    constexpr std::size_t size = Size - 1;
    // Each word is read by one instruction: a word that is composed of parts in memory would wait for them.
    using word_type = std::conditional_t<size >= 8, std::uint64_t, std::uint32_t>;
    constexpr std::size_t step = sizeof(word_type);
    static_assert(size >= step);
    constexpr auto lower_bits = static_cast<word_type>(0x2020202020202020);
    const auto word_of = [](const char* text) {
        word_type word = 0;
        std::memcpy(&word, text, step);
        return word;
    };
    // The last two words may overlap.
    word_type differences = 0;
    for (std::size_t at = 0; at < size; at += step) {
        const std::size_t begin = std::min(at, size - step);
        differences |= ((word_of(name.data() + begin) | lower_bits) ^ (word_of(lower_case + begin) | lower_bits));
    }
    return differences == 0;
}

/// A field that delimits a body or controls the connection: its last value, and how often it occurs. The parts are
/// small, because special_fields is set to zero for each head.
struct special_field {
    const char* text = nullptr;
    std::uint32_t size = 0;
    std::uint32_t count = 0;

    [[nodiscard]] std::string_view value() const noexcept { return {text, size}; }
    void note(std::string_view value) noexcept {
        text = value.data();
        size = static_cast<std::uint32_t>(value.size());
        ++count;
    }
};

/// The header fields that delimit a body or control the connection. Filled while the fields are parsed.
struct special_fields {
    special_field host;
    special_field length;
    special_field coding;
    special_field expectation;
    bool has_connection = false;
    bool has_upgrade = false;

    void note(std::string_view name, std::string_view value) noexcept {
        // Not a switch: its table of addresses is rarely in a cache.
        if (name.size() == 4) {
            if (is_named(name, "host")) host.note(value);
        } else if (name.size() == 6) {
            if (is_named(name, "expect")) expectation.note(value);
        } else if (name.size() == 7) {
            if (is_named(name, "upgrade")) has_upgrade = true;
        } else if (name.size() == 10) {
            if (is_named(name, "connection")) has_connection = true;
        } else if (name.size() == 14) {
            if (is_named(name, "content-length")) length.note(value);
        } else if (name.size() == 17) {
            if (is_named(name, "transfer-encoding")) coding.note(value);
        }
    }
};

/// Removes the next line, and returns it without CR LF. A CR that is not followed by LF also ends the line, and stays
/// in it, which makes the line invalid.
/// Preconditions: `text` ends with an empty line.
std::string_view take_line(std::string_view& text) noexcept {
    const auto end = text.find('\r');
    const bool is_end = text[end + 1] == '\n';
    const auto line = text.substr(0, is_end ? end : end + 1);
    text.remove_prefix(is_end ? end + 2 : end + 1);
    return line;
}

/// Parses the lines of the fields, in one pass. Sets `left` to the number of bytes after the empty line.
/// Preconditions: `lines` ends with an empty line.
status parse_fields(std::string_view lines, const http::h1::limits& limits, http::headers& into,
                    special_fields& special, std::size_t& left) {
    header_access::keep_text(into, lines, 8);
    const char* const end = lines.data() + lines.size();
    // SAFETY: each inner loop ends at a CR at the latest, because names, white space and values contain no CR. Each CR
    // is followed by another character, because `lines` ends with CR LF.
    const char* at = lines.data();
    for (; at[0] != '\r' || at[1] != '\n'; at += 2) {
        const char* const name_begin = at;
        while (token_characters.contains(*at)) ++at;
        const std::string_view name(name_begin, at);
        // White space ends a name, so this refuses folded lines and white space before the colon.
        if (name.empty() || *at != ':') return status::bad_request;
        do ++at;
        while (is_space(*at));
        const char* const value_begin = at;
        at = find_end_of_value(at, end);
        if (at[0] != '\r' || at[1] != '\n') return status::bad_request;
        const char* value_end = at;
        while (value_end != value_begin && is_space(value_end[-1])) --value_end;
        const std::string_view value(value_begin, value_end);
        if (into.size() == limits.headers) return status::request_header_fields_too_large;
        header_access::add_part(into, lines, name, value);
        special.note(name, value);
    }
    left = static_cast<std::size_t>(end - at) - 2;
    return accepted;
}

status parse_version(std::string_view text, http::version& into) noexcept {
    if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' || !is_digit(text[7]))
        return status::bad_request;
    if (text[5] != '1' || text[7] > '1') return status::http_version_not_supported;
    into = text[7] == '0' ? http::version::http_1_0 : http::version::http_1_1;
    return accepted;
}

/// Parses Content-Length: digits only, so no sign, no list, no space.
status parse_length(std::string_view text, std::uint64_t& into) noexcept {
    if (text.empty() || !std::ranges::all_of(text, is_digit)) return status::bad_request;
    text.remove_prefix(std::min(text.find_first_not_of('0'), text.size() - 1));
    constexpr std::size_t digits = 18;  // a longer number may overflow, and no body is that large
    if (text.size() > digits) return status::content_too_large;
    into = 0;
    for (const char c : text) into = into * 10 + static_cast<std::uint64_t>(c - '0');
    return accepted;
}

/// Accepts only "chunked". Other codings are not implemented. "chunked" in another position than the last is an error.
status parse_codings(std::string_view text) noexcept {
    if (equal_names(text, "chunked")) return accepted;
    if (text.empty()) return status::bad_request;
    while (!text.empty()) {
        if (equal_names(trim(take_part(text, ',')), "chunked")) return status::bad_request;
        if (equal_names(trim(text), "chunked")) break;
    }
    return status::not_implemented;
}

status parse_framing(const special_fields& special, http::version version, body_framing& into) noexcept {
    if (special.length.count > 1 || special.coding.count > 1) return status::bad_request;
    if (special.coding.count == 1) {
        if (special.length.count != 0 || version == http::version::http_1_0) return status::bad_request;
        if (const status refused = parse_codings(special.coding.value()); refused != accepted) return refused;
        into.is = body_framing::kind::chunked;
    } else if (special.length.count == 1) {
        if (const status refused = parse_length(special.length.value(), into.length); refused != accepted)
            return refused;
        into.is = body_framing::kind::length;
    }
    return accepted;
}

/// Sets `into.keeps_alive`, for a head of a request or a response.
void parse_connection(const special_fields& special, auto& into) noexcept {
    into.keeps_alive = into.version == http::version::http_1_1;
    if (!special.has_connection) return;
    if (into.headers.has_token("Connection", "keep-alive")) into.keeps_alive = true;
    if (into.headers.has_token("Connection", "close")) into.keeps_alive = false;
}

/// Converts "http://host/path" to "/path", and replaces the Host field (RFC 9112, section 3.2.2). For OPTIONS, a URL
/// without a path and a query means the server itself, "*" (section 3.2.4).
bool to_origin_form(std::string_view target, request_head& into) {
    const auto colon = target.find("://");
    if (colon == std::string_view::npos) return false;
    const auto scheme = target.substr(0, colon);
    if (!equal_names(scheme, "http") && !equal_names(scheme, "https")) return false;
    target.remove_prefix(colon + 3);
    const auto authority = target.substr(0, target.find_first_of("/?"));
    const auto parts = split_host(authority);
    if (!parts || parts->host.empty()) return false;
    const auto path = target.substr(authority.size());
    if (path.empty() && into.method == http::method::options) {
        into.target = "*";
    } else {
        into.target = path.starts_with('/') ? std::string(path) : '/' + std::string(path);
    }
    into.headers.set("Host", authority);
    return true;
}

/// Returns true if the value of a Host field has the usual form, "host" or "host:port". For other values, split_host()
/// decides.
/// Preconditions: the text is followed by a character that is neither a digit nor in host_characters.
bool is_usual_host(std::string_view text) noexcept {
    const char* at = text.data();
    const char* const end = at + text.size();
    while (host_characters.contains(*at)) ++at;
    if (at == end) return true;
    if (*at != ':' || end - at > 6) return false;  // a port has at most five digits
    std::uint32_t port = 0;
    for (++at; is_digit(*at); ++at) port = port * 10 + static_cast<std::uint32_t>(*at - '0');
    return at == end && port != 0 && port <= std::numeric_limits<std::uint16_t>::max();
}

status check_host(const special_fields& special, const request_head& head) noexcept {
    if (special.host.count > 1 || (special.host.count == 0 && head.version == http::version::http_1_1))
        return status::bad_request;
    if (special.host.count == 0 || is_usual_host(special.host.value())) return accepted;
    return split_host(special.host.value()) ? accepted : status::bad_request;
}

status parse_expectation(const special_fields& special, request_head& into) noexcept {
    if (special.expectation.count == 0 || into.version == http::version::http_1_0) return accepted;
    if (special.expectation.count > 1 || !equal_names(special.expectation.value(), "100-continue"))
        return status::expectation_failed;
    into.expects_continue = true;
    return accepted;
}

/// Removes the first line, if it has the form of most requests: "GET", a target in origin form, and "HTTP/1.1". Returns
/// the target, or an empty view if parse_request_line() must parse the line.
/// Preconditions: `head` ends with an empty line.
std::string_view take_usual_line(std::string_view& head) noexcept {
    constexpr std::string_view begin = "GET /";
    constexpr std::string_view end = " HTTP/1.1\r\n";
    constexpr std::size_t target_begin = begin.size() - 1;
    if (!head.starts_with(begin)) return {};
    std::size_t at = begin.size();
    while (target_characters.contains(head[at])) ++at;  // ends at a CR at the latest
    if (head.size() - at < end.size() || std::memcmp(head.data() + at, end.data(), end.size()) != 0) return {};
    const std::string_view target(head.data() + target_begin, at - target_begin);
    head.remove_prefix(at + end.size());
    return target;
}

/// Parses a first line, except the target, which it only finds.
status parse_request_line(std::string_view line, request_head& into, std::string_view& target) {
    const auto name_end = line.find(' ');
    const auto target_end = line.rfind(' ');
    if (name_end == target_end) return status::bad_request;  // no space, or one
    const auto name = line.substr(0, name_end);
    const auto method = http::method_of(name);
    if (!method && !is_token(name)) return status::bad_request;
    if (const status refused = parse_version(line.substr(target_end + 1), into.version); refused != accepted)
        return refused;
    if (!method) return status::not_implemented;
    into.method = *method;
    target = line.substr(name_end + 1, target_end - name_end - 1);
    return accepted;
}

}  // namespace

status parse_request_head(std::string_view head, const http::h1::limits& limits, request_head& into) {
    const auto size = head.size();
    auto target = take_usual_line(head);
    const bool is_usual = !target.empty();
    if (is_usual) {
        into.method = http::method::get;
        into.version = http::version::http_1_1;
    } else if (const status refused = parse_request_line(take_line(head), into, target); refused != accepted) {
        return refused;
    }

    special_fields special;
    std::size_t left = 0;
    if (const status refused = parse_fields(head, limits, into.headers, special, left); refused != accepted)
        return refused;
    into.size = size - left;
    if (const status refused = check_host(special, into); refused != accepted) return refused;
    if (const status refused = parse_framing(special, into.version, into.framing); refused != accepted) return refused;
    if (const status refused = parse_expectation(special, into); refused != accepted) return refused;
    parse_connection(special, into);
    // RFC 9110, section 7.8: a server ignores Upgrade in a request of HTTP/1.0.
    into.asks_for_upgrade = special.has_upgrade && special.has_connection && into.version == http::version::http_1_1 &&
                            into.headers.has_token("Connection", "Upgrade");
    if (!is_usual) {
        if (target.empty() || !std::ranges::all_of(target, is_target_character)) return status::bad_request;
        const bool is_origin = target.front() == '/' || (target == "*" && into.method == http::method::options);
        if (!is_origin) return to_origin_form(target, into) ? accepted : status::bad_request;
    }
    // An assignment takes about 30 instructions more.
    into.target.resize_and_overwrite(target.size(),
                                     [target](char* text, std::size_t) { return target.copy(text, target.size()); });
    return accepted;
}

namespace {

bool parse_status_line(std::string_view line, response_head& into) noexcept {
    // Before the reason phrase there is a space, which some servers omit together with the phrase.
    if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) return false;
    if (parse_version(line.substr(0, 8), into.version) != accepted) return false;
    const auto digits = line.substr(9, 3);
    if (!std::ranges::all_of(digits, is_digit) || digits[0] == '0') return false;
    into.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    return is_value(line.substr(12));
}

/// Replaces each fold in the lines of the fields by a space, as a user agent must do (RFC 9112, section 5.2). Returns
/// the lines, which are in `memory` if there are folds. White space before the first field is not a fold.
std::string_view unfold(std::string_view lines, std::string& memory) {
    if (!lines.contains("\r\n ") && !lines.contains("\r\n\t")) return lines;
    memory.reserve(lines.size());
    while (!lines.empty()) {
        if (!lines.starts_with("\r\n") || lines.size() == 2 || !is_space(lines[2])) {
            memory += lines.front();
            lines.remove_prefix(1);
            continue;
        }
        while (!memory.empty() && is_space(memory.back())) memory.pop_back();
        memory += ' ';
        lines.remove_prefix(2);
        while (is_space(lines.front())) lines.remove_prefix(1);  // ends at the CR of the empty line at the latest
    }
    return memory;
}

}  // namespace

bool may_be_response(std::string_view text) noexcept {
    constexpr std::string_view begin = "HTTP/";
    return text.starts_with('\r') || text.substr(0, begin.size()) == begin.substr(0, text.size());
}

bool parse_tunnel_head(std::string_view head, const http::h1::limits& limits, response_head& into) {
    if (!parse_status_line(take_line(head), into)) return false;
    std::string unfolded;
    special_fields special;
    std::size_t left = 0;
    return parse_fields(unfold(head, unfolded), limits, into.headers, special, left) == accepted;
}

bool parse_response_head(std::string_view head, const http::h1::limits& limits, http::method asked,
                         response_head& into) {
    if (!parse_status_line(take_line(head), into)) return false;
    std::string unfolded;  // `special` refers to it
    special_fields special;
    std::size_t left = 0;
    if (parse_fields(unfold(head, unfolded), limits, into.headers, special, left) != accepted) return false;
    if (parse_framing(special, into.version, into.framing) != accepted) return false;
    parse_connection(special, into);
    if (has_no_body(into.status, asked)) {
        into.framing = {};
    } else if (into.framing.is == body_framing::kind::none) {
        into.framing.is = body_framing::kind::until_end;
        into.keeps_alive = false;
    }
    return true;
}

// ---- Writing ----

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
    if (from.status == http::status::reset_content) return {kind::length, 0};  // RFC 9110, section 15.3.6
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
    // A HEAD response and a 304 announce the size of the body that they do not have. A 204 has none in any case.
    const bool announces = from.status == http::status::not_modified ||
                           (context.asked == http::method::head && from.status != http::status::no_content);
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
                   from.status != http::status::no_content && from.status != http::status::not_modified &&
                   from.status != http::status::reset_content) {
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

body_framing write_request_head(std::string& out, const http::request& from, std::string_view authority,
                                bool asks_for_upgrade) {
    using kind = body_framing::kind;
    body_framing framing;
    const auto size = from.body.size();
    if (!size) {
        framing.is = kind::chunked;
    } else if (*size != 0) {
        framing = {kind::length, *size};
    }
    const bool announces_none = size == 0U && anticipates_body(from.method);

    append(out, from.target.size() + authority.size() + size_of(from.headers) + most_added, [&](text_writer& to) {
        to.put(http::to_string(from.method)).put(" ").put(from.target).put(" HTTP/1.1\r\n");
        if (!from.headers.contains("Host")) to.put_field("Host", authority);
        put_fields(to, from.headers, false);
        if (framing.is == kind::chunked) to.put("Transfer-Encoding: chunked\r\n");
        if (framing.is == kind::length || announces_none) to.put_length(framing.length);
        if (from.headers.has_token("Connection", "close")) to.put("Connection: close\r\n");
        if (asks_for_upgrade) to.put("Connection: Upgrade\r\n");
        to.put("\r\n");
    });
    return framing;
}

}  // namespace eddy::detail
