// SPDX-License-Identifier: MIT
#include "services/multipart.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <expected>
#include <span>
#include <string_view>
#include <utility>

#include <eddy/future/poll_fn.hpp>
#include <eddy/future/try.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/multipart.hpp>

#include "message/fields.hpp"

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

// ---- Forms ----

namespace {

constexpr std::size_t most_read = 16 * 1024;
constexpr std::size_t most_boundary = 70;  // RFC 2046, section 5.1.1

/// Returns the boundary of a multipart/form-data body, or an empty text if the request has another type.
std::string boundary_of(const http::request& asked) {
    const auto field = asked.headers.get("Content-Type").value_or("");
    const auto type = trim(field.substr(0, field.find(';')));
    auto boundary = field_parameter(field, "boundary").value_or(std::nullopt).value_or("");
    const bool is_valid = http::equal_names(type, "multipart/form-data") && boundary.size() <= most_boundary;
    return is_valid ? boundary : std::string();
}

std::unexpected<std::error_code> bad_form() { return std::unexpected(make_error_code(http::errc::bad_form)); }

}  // namespace

/// The body of a form, and how far it was read. Its parts share it.
class form_reader {
public:
    using event = multipart_decoder::event;

    form_reader(http::request& asked, http::multipart_options options)
        : boundary_(boundary_of(asked)),
          decoder_(boundary_, options.header_limit()),
          parts_left_(options.max_parts()),
          from_(std::move(asked.body)) {}

    static constexpr auto wait_shape() { return inspect::waits_as(&form_reader::from_); }

    /// Skips the rest of the current part. Returns whether another one has begun.
    poll_result<result<bool>> poll_next(context& cx) {
        ++part_;  // the body of the part before has ended, also if this call is dropped
        if (boundary_.empty()) return bad_form();
        for (;;) {
            const auto found = poll_event(cx);
            if (!found) return not_ready;
            if (!*found) return std::unexpected(found->error());
            if (**found == event::end) return false;
            if (**found != event::part) continue;
            if (parts_left_ == 0) return std::unexpected(make_error_code(http::errc::body_too_large));
            --parts_left_;
            is_in_part_ = true;
            return true;
        }
    }

    /// Reads the body of the part with this number.
    poll_result<result<std::size_t>> poll_read(context& cx, std::uint64_t part, std::span<std::byte> into) {
        if (part != part_) return std::unexpected(make_error_code(http::errc::part_skipped));
        while (data_.empty() && is_in_part_ && !into.empty()) {
            const auto found = poll_event(cx);
            if (!found) return not_ready;
            if (!*found) return std::unexpected(found->error());
        }
        const auto count = std::min(data_.size(), into.size());
        std::ranges::copy(std::as_bytes(std::span(data_)).first(count), into.begin());
        data_.remove_prefix(count);
        return count;
    }

    [[nodiscard]] std::uint64_t part() const noexcept { return part_; }
    [[nodiscard]] http::headers& headers() noexcept { return decoder_.headers(); }

private:
    /// Waits for an event. `data_` and `is_in_part_` follow it.
    poll_result<result<event>> poll_event(context& cx) {
        for (;;) {
            auto input = std::string_view(buffer_).substr(used_);
            const auto found = decoder_.receive(input);
            used_ = buffer_.size() - input.size();
            data_ = found == event::data ? decoder_.data() : std::string_view();
            if (found == event::end_of_part) is_in_part_ = false;
            if (found == event::failed) return bad_form();
            if (found != event::incomplete) return found;
            const auto count = poll_more(cx);
            if (!count) return not_ready;
            if (!*count) return std::unexpected(count->error());
            if (**count == 0) return bad_form();
        }
    }

    poll_result<result<std::size_t>> poll_more(context& cx) {
        std::array<std::byte, most_read> some;  // NOLINT(cppcoreguidelines-pro-type-member-init)
        auto count = from_.poll_read(cx, some);
        if (!count || !*count) return count;
        buffer_.erase(0, used_);
        used_ = 0;
        buffer_.append(reinterpret_cast<const char*>(some.data()), **count);
        return count;
    }

    std::string boundary_;  // empty: this is no form
    multipart_decoder decoder_;
    std::size_t parts_left_;
    std::string buffer_;
    std::size_t used_ = 0;     // bytes of the buffer that were parsed
    std::string_view data_;    // a part of the buffer that was not read
    std::uint64_t part_ = 0;   // the number of the current part
    bool is_in_part_ = false;  // and its end was not found
    http::body from_;
};

namespace {

/// The body of a part.
class part_reader {
public:
    part_reader(std::shared_ptr<form_reader> of, std::uint64_t part) noexcept : form_(std::move(of)), part_(part) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        return form_->poll_read(cx, part_, into);
    }

    static constexpr auto wait_shape() { return inspect::waits_as(&part_reader::form_); }

private:
    std::shared_ptr<form_reader> form_;
    std::uint64_t part_;
};

}  // namespace
}  // namespace eddy::detail

namespace eddy::http {
namespace {

constexpr std::size_t most_of_name = 200;  // of the 255 bytes that file systems permit

/// Returns the end of a text of at most `most` bytes that does not cut a character of UTF-8.
std::size_t end_of_characters(std::string_view text, std::size_t most) noexcept {
    if (text.size() <= most) return text.size();
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80) --most;
    return most;
}

/// Returns whether Windows opens a device for this name: what precedes the first dot decides.
bool is_device(std::string_view name) noexcept {
    const auto stem = name.substr(0, name.find('.'));
    for (const std::string_view device : {"con", "prn", "aux", "nul"}) {
        if (equal_names(stem, device)) return true;
    }
    const bool is_numbered = stem.size() == 4 && stem[3] >= '0' && stem[3] <= '9';
    return is_numbered && (equal_names(stem.substr(0, 3), "com") || equal_names(stem.substr(0, 3), "lpt"));
}

}  // namespace

std::string client_filename::safe() const {
    std::string_view sent = sent_;
    if (const auto slash = sent.find_last_of("/\\"); slash != std::string_view::npos) sent.remove_prefix(slash + 1);
    std::string name(sent.substr(0, end_of_characters(sent, most_of_name)));
    if (name.empty()) return "file";
    for (char& c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f || std::string_view("<>:\"|?*").contains(c)) c = '_';
    }
    for (std::size_t end = name.size(); end > 0 && (name[end - 1] == '.' || name[end - 1] == ' '); --end)
        name[end - 1] = '_';
    if (name.front() == '.') name.front() = '_';
    return is_device(name) ? '_' + name : name;
}

multipart::multipart(request& asked, multipart_options options)
    : reader_(std::make_shared<detail::form_reader>(asked, options)) {}

task<result<std::optional<form_part>>> multipart::next() {
    const auto reader = reader_;
    const bool has_next = co_await try_(poll_fn([&](context& cx) { return reader->poll_next(cx); }));
    if (!has_next) co_return std::nullopt;
    auto fields = std::move(reader->headers());
    const std::string disposition(fields.get("Content-Disposition").value_or(""));
    auto name = detail::field_parameter(disposition, "name");
    auto file = detail::field_parameter(disposition, "filename");
    if (!name || !*name || !file ||
        !equal_names(detail::trim(disposition.substr(0, disposition.find(';'))), "form-data"))
        co_return std::unexpected(make_error_code(errc::bad_form));
    std::optional<client_filename> filename;
    if (*file) filename.emplace(**std::move(file));
    auto body = body::from_reader(detail::part_reader(reader, reader->part()));
    co_return form_part(**std::move(name), std::move(filename), std::move(fields), std::move(body));
}

}  // namespace eddy::http
