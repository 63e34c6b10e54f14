// SPDX-License-Identifier: MIT
#include "request_codec.hpp"

#include <algorithm>
#include <expected>

#include <eddy/error.hpp>

#include "numbers.hpp"
#include "reply_codec.hpp"
#include "split_words.hpp"

namespace mini_redis {

using eddy::result;

result<std::optional<request_codec::item>> request_codec::decode(eddy::bytes_mut& from) {
    while (!from.empty()) {
        const std::string_view text = from.text();
        const auto size = text.front() == '*' ? scan_array(text) : scan_line(text);
        if (!size) return std::unexpected(size.error());
        if (*size == 0) break;
        if (const item words = take(from, *size); !words.empty()) return words;
    }
    return std::optional<item>();
}

result<std::optional<request_codec::item>> request_codec::decode_eof(eddy::bytes_mut& from) {
    auto got = decode(from);
    if (got && !*got && !from.empty()) return std::unexpected(make_error_code(eddy::errc::unexpected_eof));
    return got;
}

result<void> request_codec::encode(const reply& what, eddy::bytes_mut& into) {
    write_reply(what, into);
    return {};
}

/// Removes a request from `from` and returns its words. The words refer to the memory of `from`, which stays valid
/// until more capacity is reserved there.
request_codec::item request_codec::take(eddy::bytes_mut& from, std::size_t size) {
    const std::string_view text = from.text();
    words_.clear();
    for (const place each : places_) words_.push_back(text.substr(each.begin, each.size));
    for (const auto& each : unquoted_) words_.emplace_back(each);
    from.advance(size);
    at_ = searched_ = missing_ = 0;
    places_.clear();
    return words_;
}

// ---- A request as an array ----

result<std::size_t> request_codec::scan_array(std::string_view text) {
    unquoted_.clear();
    if (at_ == 0) {
        const auto has_length = scan_array_length(text);
        if (!has_length) return std::unexpected(has_length.error());
        if (!*has_length) return 0;
    }
    for (; missing_ > 0; --missing_) {
        const auto has_length = scan_word_length(text);
        if (!has_length) return std::unexpected(has_length.error());
        if (!*has_length || !scan_word(text)) return 0;
    }
    return at_;
}

result<bool> request_codec::scan_array_length(std::string_view text) {
    const auto has_number = scan_number(text, resp_errc::array_length_too_long, resp_errc::bad_array_length);
    if (!has_number || !*has_number) return has_number;
    if (number_ > 0 && static_cast<std::uint64_t>(number_) > limits_.words) {
        return std::unexpected(resp_errc::bad_array_length);
    }
    missing_ = number_ > 0 ? static_cast<std::size_t>(number_) : 0;  // as in Redis, a negative length means empty
    return true;
}

result<bool> request_codec::scan_word_length(std::string_view text) {
    if (is_in_word_) return true;
    if (at_ >= text.size()) return false;
    if (text[at_] != '$') {
        const auto end = find_line_end(text, resp_errc::bulk_length_too_long);  // checked first, as in Redis
        if (!end) return std::unexpected(end.error());
        if (*end == 0) return false;
        const int byte = static_cast<unsigned char>(text[at_]);
        return std::unexpected(static_cast<resp_errc>(static_cast<int>(resp_errc::no_dollar) + byte));
    }
    const auto has_number = scan_number(text, resp_errc::bulk_length_too_long, resp_errc::bad_bulk_length);
    if (!has_number || !*has_number) return has_number;
    if (number_ < 0 || static_cast<std::uint64_t>(number_) > limits_.word) {
        return std::unexpected(resp_errc::bad_bulk_length);
    }
    if (at_ + static_cast<std::size_t>(number_) > limits_.frame) return std::unexpected(resp_errc::frame_too_large);
    is_in_word_ = true;
    return true;
}

bool request_codec::scan_word(std::string_view text) {
    const auto size = static_cast<std::size_t>(number_);
    if (text.size() - at_ < size + 2) return false;
    places_.push_back({at_, size});
    at_ += size + 2;  // as in Redis, the two bytes after a word are not checked
    is_in_word_ = false;
    return true;
}

/// Parses the number in the line at `at_`, after its first byte. Returns false if the line is incomplete.
result<bool> request_codec::scan_number(std::string_view text, resp_errc too_long, resp_errc no_number) {
    // Fast path: most numbers are small and complete, so no search for the end is needed.
    std::size_t at = at_ + 1;
    std::int64_t value = 0;
    const std::size_t last = std::min(text.size(), at + 9);
    for (; at < last && text[at] >= '0' && text[at] <= '9'; ++at) value = value * 10 + (text[at] - '0');
    const bool is_plain = at > at_ + 1 && at + 1 < text.size() && text[at] == '\r' && text[at_ + 1] != '0';
    if (!is_plain) {
        const auto end = find_line_end(text, too_long);
        if (!end) return std::unexpected(end.error());
        if (*end == 0) return false;
        const auto parsed = parse_integer(text.substr(at_ + 1, *end - at_ - 1));
        if (!parsed) return std::unexpected(no_number);
        value = *parsed;
        at = *end;
    }
    number_ = value;
    at_ = searched_ = at + 2;
    return true;
}

/// Returns the end of the line at `at_`, or 0 if the line is incomplete.
result<std::size_t> request_codec::find_line_end(std::string_view text, resp_errc too_long) {
    const auto end = find('\r', text);
    if (end.value_or(text.size()) - at_ > limits_.line) return std::unexpected(too_long);
    return end && *end + 1 < text.size() ? *end : 0;
}

/// Returns the position of `wanted`. Continues the search at `searched_`.
std::optional<std::size_t> request_codec::find(char wanted, std::string_view text) {
    const std::size_t found = text.find(wanted, std::max(at_, searched_));
    if (found != text.npos) return found;
    searched_ = text.size();
    return std::nullopt;
}

// ---- A request as a line ----

result<std::size_t> request_codec::scan_line(std::string_view text) {
    const auto end = find('\n', text);
    if (end.value_or(text.size()) > limits_.line) return std::unexpected(resp_errc::line_too_long);
    if (!end) return 0;
    std::string_view line = text.substr(0, *end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    auto words = split_words(line);
    if (!words) return std::unexpected(resp_errc::unbalanced_quotes);
    unquoted_ = *std::move(words);
    return *end + 1;
}

}  // namespace mini_redis
