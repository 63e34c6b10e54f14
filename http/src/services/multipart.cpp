// SPDX-License-Identifier: MIT
#include <eddy/http/multipart.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include <eddy/detail/wait_shape.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/try.hpp>
#include <eddy/http/error.hpp>

#include "message/multipart.hpp"
#include "message/syntax.hpp"

namespace eddy::detail {
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

    EDDY_WAITS_AS(form_reader, from_);

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

    EDDY_WAITS_AS(part_reader, form_);

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
