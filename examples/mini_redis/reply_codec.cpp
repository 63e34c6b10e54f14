// SPDX-License-Identifier: MIT
#include "reply_codec.hpp"

#include <algorithm>
#include <expected>
#include <string>

#include <eddy/error.hpp>

#include "numbers.hpp"
#include "reply_writer.hpp"

namespace mini_redis {
namespace {

using eddy::result;

class writing_visitor {
public:
    explicit writing_visitor(eddy::bytes_mut& into) noexcept : into_(&into) {}

    void operator()(reply::nil) const { out().nil(); }
    void operator()(const reply::status& is) const { out().status(is.text); }
    void operator()(const reply::error& is) const { out().error(is.text); }
    void operator()(std::int64_t number) const { out().integer(number); }
    void operator()(const std::string& bulk) const { out().bulk(bulk); }
    void operator()(const reply::array& items) const {
        out().array(items.size());
        for (const auto& each : items) each.visit(*this);
    }

private:
    [[nodiscard]] reply_writer out() const { return reply_writer(*into_); }

    eddy::bytes_mut* into_;
};

/// Builds a reply from text that scan() has found to be a complete reply.
class reply_builder {
public:
    explicit reply_builder(std::string_view text) noexcept : rest_(text) {}

    reply build() {  // NOLINT(misc-no-recursion): scan() limits the depth
        const char type = rest_.front();
        const std::string_view line = take_line();
        switch (type) {
        case '+': return reply::status(std::string(line));
        case '-': return reply::error(std::string(line));
        case ':': return *parse_integer(line);
        case '$': return build_bulk(*parse_integer(line));
        default: return build_array(*parse_integer(line));
        }
    }

private:
    std::string_view take_line() {
        const std::size_t end = rest_.find('\r');
        const std::string_view line = rest_.substr(1, end - 1);
        rest_.remove_prefix(end + 2);
        return line;
    }
    reply build_bulk(std::int64_t size) {
        if (size < 0) return {};
        std::string bulk(rest_.substr(0, static_cast<std::size_t>(size)));
        rest_.remove_prefix(bulk.size() + 2);
        return bulk;
    }
    reply build_array(std::int64_t count) {  // NOLINT(misc-no-recursion)
        if (count < 0) return {};
        reply::array items;
        for (; count > 0; --count) items.push_back(build());
        return items;
    }

    std::string_view rest_;
};

}  // namespace

void write_reply(const reply& what, eddy::bytes_mut& into) { what.visit(writing_visitor(into)); }

result<void> reply_codec::encode(std::span<const std::string_view> words, eddy::bytes_mut& into) {
    reply_writer out(into);
    out.array(words.size());
    for (const auto word : words) out.bulk(word);
    return {};
}

result<std::optional<reply>> reply_codec::decode(eddy::bytes_mut& from) {
    const std::string_view text = from.text();
    const auto is_whole = scan(text);
    if (!is_whole) return std::unexpected(is_whole.error());
    if (!*is_whole) return std::optional<reply>();
    std::optional<reply> built(reply_builder(text).build());
    from.advance(at_);
    at_ = searched_ = 0;
    return built;
}

result<std::optional<reply>> reply_codec::decode_eof(eddy::bytes_mut& from) {
    auto got = decode(from);
    if (got && !*got && !from.empty()) return std::unexpected(make_error_code(eddy::errc::unexpected_eof));
    return got;
}

// ---- The search for the end ----

/// Continues the scan at `at_`. Returns whether the end of a reply was reached.
result<bool> reply_codec::scan(std::string_view text) {
    do {
        const auto is_there = scan_one(text);
        if (!is_there || !*is_there) return is_there;
        close_arrays();
    } while (!missing_.empty());
    return true;
}

/// Scans one string, number or array header. Returns false if it is incomplete.
result<bool> reply_codec::scan_one(std::string_view text) {
    if (at_ > limits_.frame) return std::unexpected(resp_errc::frame_too_large);
    if (at_ >= text.size()) return false;
    const std::size_t end = std::min(text.find('\r', std::max(at_, searched_)), text.size());
    if (end - at_ > limits_.line) return std::unexpected(resp_errc::line_too_long);
    searched_ = end;
    if (end + 1 >= text.size()) return false;
    const char type = text[at_];
    const auto number = parse_integer(text.substr(at_ + 1, end - at_ - 1));
    const std::size_t line = at_;
    at_ = end + 2;
    if (type == '+' || type == '-') return true;
    if (type != ':' && type != '$' && type != '*') return std::unexpected(resp_errc::unknown_type);
    if (!number) return std::unexpected(resp_errc::bad_number);
    if (type == ':') return true;
    if (type == '*') return open_array(*number);
    auto is_there = scan_bulk(text, *number);
    if (is_there && !*is_there) at_ = line;  // scans the short line again when more bytes have arrived
    return is_there;
}

result<bool> reply_codec::scan_bulk(std::string_view text, std::int64_t size) {
    if (size == -1) return true;
    if (size < 0 || static_cast<std::uint64_t>(size) > limits_.bulk) return std::unexpected(resp_errc::bad_bulk_length);
    const auto count = static_cast<std::size_t>(size);
    if (at_ + count > limits_.frame) return std::unexpected(resp_errc::frame_too_large);
    if (text.size() - at_ < count + 2) return false;
    at_ += count + 2;
    return true;
}

result<bool> reply_codec::open_array(std::int64_t count) {
    if (count < -1 || (count > 0 && static_cast<std::uint64_t>(count) > limits_.items)) {
        return std::unexpected(resp_errc::bad_array_length);
    }
    if (missing_.size() >= limits_.depth) return std::unexpected(resp_errc::nested_too_deep);
    // One more than the number of items: close_arrays() also counts the array header.
    missing_.push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(count, 0)) + 1);
    return true;
}

/// Counts a complete item, which may be the last one of the enclosing arrays.
void reply_codec::close_arrays() {
    while (!missing_.empty() && --missing_.back() == 0) missing_.pop_back();
}

}  // namespace mini_redis
