// SPDX-License-Identifier: MIT
#include "message/multipart.hpp"

#include <algorithm>
#include <expected>
#include <utility>

#include <eddy/http/error.hpp>

#include "message/syntax.hpp"

namespace eddy::detail {
namespace {

constexpr std::string_view line_end = "\r\n";

/// Returns whether a parameter is at its end before `rest`.
bool ends_parameter(std::string_view rest) noexcept {
    const auto next = rest.find_first_not_of(" \t");
    return next == std::string_view::npos || rest[next] == ';';
}

/// Returns whether a delimiter ends before `rest`, and nullopt if more bytes are needed to know that. With the boundary
/// X, the lines "--Xy" and "--X-y" are content, as in the parsers of Go and Python.
std::optional<bool> ends_delimiter(std::string_view rest) noexcept {
    if (rest.empty() || rest == "-") return std::nullopt;
    return rest.starts_with("--") || std::string_view(" \t\r\n").contains(rest.front());
}

/// Removes a quoted text from the front of `from`, without its first quote, and returns its content. Returns nullopt if
/// it does not end.
std::optional<std::string> take_quoted(std::string_view& from) {
    std::string text;
    for (std::size_t i = 0; i < from.size(); ++i) {
        const auto rest = from.substr(i + 1);
        const bool is_escape =
            from[i] == '\\' && (rest.starts_with('\\') || (rest.starts_with('"') && !ends_parameter(rest.substr(1))));
        if (from[i] == '"') {
            from.remove_prefix(i + 1);
            return text;
        }
        if (is_escape) ++i;
        text += from[i];
    }
    return std::nullopt;
}

}  // namespace

result<std::optional<std::string>> field_parameter(std::string_view field, std::string_view name) {
    const auto malformed = std::unexpected(make_error_code(http::errc::bad_form));
    static_cast<void>(take_part(field, ';'));
    for (;;) {
        field.remove_prefix(std::min(field.find_first_not_of(" \t;"), field.size()));
        if (field.empty()) return std::nullopt;
        const auto sign = field.find('=');
        const auto found = trim(field.substr(0, sign));
        if (sign == std::string_view::npos || !is_token(found)) return malformed;
        field.remove_prefix(sign + 1);
        std::optional<std::string> value;
        if (field.starts_with('"')) {
            field.remove_prefix(1);
            value = take_quoted(field);
            if (!value || !trim(take_part(field, ';')).empty()) return malformed;
        } else {
            value = trim(take_part(field, ';'));
        }
        if (http::equal_names(found, name)) return value;
    }
}

multipart_decoder::event multipart_decoder::receive(std::string_view& input) {
    for (;;) {
        const auto before = at_;
        auto found = event::incomplete;
        switch (at_) {
        case state::start: found = take_first_delimiter(input, state::preamble); break;
        case state::preamble: found = skip_preamble(input); break;
        case state::delimited: found = parse_delimiter_end(input); break;
        case state::headers: found = parse_headers(input); break;
        case state::first_line: found = take_first_delimiter(input, state::content); break;
        case state::content: found = take_content(input); break;
        case state::over: return event::end;
        }
        if (found != event::incomplete || at_ == before) return found;
    }
}

/// A delimiter may begin the body, or the body of a part, without the line break before it.
multipart_decoder::event multipart_decoder::take_first_delimiter(std::string_view& input, state otherwise) {
    const auto first = std::string_view(delimiter_).substr(line_end.size());
    const bool begins = input.starts_with(first);
    const auto ends = begins ? ends_delimiter(input.substr(first.size())) : false;
    if (begins && !ends) return event::incomplete;
    if (ends == true) {
        input.remove_prefix(first.size());
        return std::exchange(at_, state::delimited) == state::start ? event::incomplete : event::end_of_part;
    }
    if (begins || !first.starts_with(input)) at_ = otherwise;
    return event::incomplete;
}

multipart_decoder::event multipart_decoder::skip_preamble(std::string_view& input) {
    while (take_content(input) == event::data) {
    }
    return event::incomplete;
}

multipart_decoder::event multipart_decoder::parse_delimiter_end(std::string_view& input) {
    if (input.starts_with("--")) {
        at_ = state::over;
        return event::end;
    }
    const auto spaces = std::min(input.find_first_not_of(" \t"), input.size());
    if (spaces > header_limit_) return event::failed;
    const auto rest = input.substr(spaces);
    if (rest.starts_with(line_end)) {
        input = rest.substr(line_end.size());
        headers_.clear();
        header_bytes_ = 0;
        at_ = state::headers;
        return event::incomplete;
    }
    const bool may_continue = line_end.starts_with(rest) || (spaces == 0 && rest == "-");
    return may_continue ? event::incomplete : event::failed;
}

multipart_decoder::event multipart_decoder::parse_headers(std::string_view& input) {
    for (;;) {
        const auto end = input.find(line_end);
        const std::size_t size = std::min(end, input.ends_with('\r') ? input.size() - 1 : input.size());
        if (header_bytes_ + size > header_limit_) return event::failed;
        if (end == std::string_view::npos) return event::incomplete;
        const auto line = input.substr(0, end);
        input.remove_prefix(end + line_end.size());
        header_bytes_ += end + line_end.size();
        if (line.empty()) {
            at_ = state::first_line;
            return event::part;
        }
        if (!add_header(line)) return event::failed;
    }
}

bool multipart_decoder::add_header(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const auto name = line.substr(0, colon);
    const auto value = trim(line.substr(colon + 1));
    if (!is_token(name) || !is_value(value)) return false;
    headers_.add(name, value);
    return true;
}

/// Takes bytes up to the next delimiter. Leaves those at the end of the input that may be the beginning of one.
multipart_decoder::event multipart_decoder::take_content(std::string_view& input) {
    auto found = input.find(delimiter_);
    auto ends = std::optional(true);
    for (; found != std::string_view::npos; found = input.find(delimiter_, found + 1)) {
        ends = ends_delimiter(input.substr(found + delimiter_.size()));
        if (ends != false) break;
    }
    if (found == 0 && ends) {
        input.remove_prefix(delimiter_.size());
        at_ = state::delimited;
        return event::end_of_part;
    }
    auto count = found;
    if (found == std::string_view::npos) {
        const auto kept = std::min(input.size(), delimiter_.size() - 1);
        const auto begin = input.find('\r', input.size() - kept);
        count = std::min(begin, input.size());
    }
    data_ = input.substr(0, count);
    input.remove_prefix(count);
    return count == 0 ? event::incomplete : event::data;
}

}  // namespace eddy::detail
