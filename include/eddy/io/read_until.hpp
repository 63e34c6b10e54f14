// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <eddy/detail/byte_room.hpp>
#include <eddy/detail/io_checks.hpp>
#include <eddy/detail/toll.hpp>
#include <eddy/detail/utf8.hpp>
#include <eddy/io/operation.hpp>

namespace eddy::io {

/// No limit to how long a line may be.
inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

}  // namespace eddy::io

namespace eddy::detail {

/// How many bytes at the front of `bytes` belong to what a delimiter ends, and whether it is among them.
struct delimited {
    delimited(std::span<const std::byte> bytes, std::byte delimiter) noexcept : size(bytes.size()) {
        if (bytes.empty()) return;
        const void* const at = std::memchr(bytes.data(), std::to_integer<int>(delimiter), bytes.size());
        if (at == nullptr) return;
        size = static_cast<std::size_t>(static_cast<const std::byte*>(at) - bytes.data()) + 1;
        is_complete = true;
    }
    std::size_t size;
    bool is_complete = false;
};

/// Appends what comes up to a delimiter, which is included, or up to the end. `read` counts the bytes; no more than
/// `limit`.
template <class R, class C>
poll_result<result<void>> poll_read_until(R& from, context& cx, std::byte delimiter, C& into, std::size_t& read,
                                          std::size_t limit) {
    for (;;) {
        toll cost(cx);
        const auto there = from.poll_fill_buf(cx);
        if (!there) return not_ready;
        if (!*there) return result<void>(std::unexpect, there->error());
        if ((*there)->empty()) return ok();
        const delimited part(**there, delimiter);
        const std::size_t taken = std::min(part.size, limit - read);
        append_bytes(into, (*there)->first(taken));
        from.consume(taken);
        read += taken;
        if (taken < part.size) return result<void>(std::unexpect, make_error_code(errc::line_too_long));
        if (part.is_complete) return ok();
        if (!cost.is_paid()) return not_ready;
    }
}

/// Drops what comes up to a delimiter, which is included, or up to the end.
template <class R>
poll_result<result<void>> poll_skip_until(R& from, context& cx, std::byte delimiter) {
    for (;;) {
        toll cost(cx);
        const auto there = from.poll_fill_buf(cx);
        if (!there) return not_ready;
        if (!*there) return result<void>(std::unexpect, there->error());
        if ((*there)->empty()) return ok();
        const delimited part(**there, delimiter);
        from.consume(part.size);
        if (part.is_complete) return ok();
        if (!cost.is_paid()) return not_ready;
    }
}

}  // namespace eddy::detail

namespace eddy::io {

template <class R>
class fill_buf_op {
public:
    using output_type = result<std::span<const std::byte>>;

    explicit fill_buf_op(R& from) noexcept : from_(&from) {}

    poll_result<output_type> poll(context& cx) { return from_->poll_fill_buf(cx); }

private:
    R* from_;
};

template <class R, class C>
class read_until_op {
public:
    using output_type = result<std::size_t>;

    read_until_op(R& from, std::byte delimiter, C& into, std::size_t limit) noexcept
        : from_(&from), into_(&into), limit_(limit), delimiter_(delimiter) {}

    poll_result<output_type> poll(context& cx) {
        const auto done = detail::poll_read_until(*from_, cx, delimiter_, *into_, read_, limit_);
        if (!done) return not_ready;
        if (!*done) return output_type(std::unexpect, done->error());
        return ok(read_);
    }
    [[nodiscard]] std::size_t count() const noexcept { return read_; }

private:
    R* from_;
    C* into_;
    std::size_t limit_;
    std::size_t read_ = 0;
    std::byte delimiter_;
};

template <class R>
class read_line_op {
public:
    using output_type = result<std::size_t>;

    read_line_op(R& from, std::string& into, std::size_t limit) noexcept
        : into_(&into), before_(into.size()), reading_(from, std::byte{'\n'}, into, limit) {}

    poll_result<output_type> poll(context& cx) {
        auto count = reading_.poll(cx);
        if (!count || !*count) return count;
        if (detail::is_utf8(std::string_view(*into_).substr(before_))) return count;
        into_->resize(before_);
        return detail::io_failure(errc::invalid_utf8);
    }
    [[nodiscard]] std::size_t count() const noexcept { return reading_.count(); }

private:
    std::string* into_;
    std::size_t before_;
    read_until_op<R, std::string> reading_;
};

/// Gives what is in the reader's buffer; if that is empty it reads first. An empty span is the end. What was used is
/// taken off with `reader.consume(count)`; the rest will be given again. Cancel safety: safe. Lifetime: the bytes stay
/// where they are until the reader is next used.
template <class R>
[[nodiscard]] auto fill_buf(R&& from) {
    if constexpr (detail::check_borrowed<R>() && detail::check_buf_reader<R>()) {
        return operation<fill_buf_op<std::remove_reference_t<R>>>(std::in_place, from);
    } else {
        return detail::broken_future();
    }
}

/// Reads up to a delimiter, which is included, or up to the end, and appends that to `into`: a std::string, a vector of
/// bytes, a bytes_mut. Gives how many bytes; 0 at the end. Errors: errc::line_too_long if there is no delimiter among
/// the first `limit` bytes, which are in `into` then, and taken; the rest is still there. Those of the reader. Cancel
/// safety: safe if `into` is kept: what has come is in it. Call it again to go on.
template <class R, class C>
[[nodiscard]] auto read_until(R&& from, std::byte delimiter, C& into, std::size_t limit = no_limit) {
    if constexpr (detail::check_borrowed<R>() && detail::check_buf_reader<R>() && detail::check_growing<C>()) {
        return operation<read_until_op<std::remove_reference_t<R>, C>>(std::in_place, from, delimiter, into, limit);
    } else {
        return detail::broken_future();
    }
}

/// Reads a line, with its end, and appends it to `into`. Gives how many bytes; 0 at the end. The last line may have no
/// end. Errors: errc::invalid_utf8, and `into` is what it was before: the line is lost; else as read_until(). Cancel
/// safety: not safe: what has come is in `into`, and was not checked. Use lines().
template <class R>
[[nodiscard]] auto read_line(R&& from, std::string& into, std::size_t limit = no_limit) {
    if constexpr (detail::check_borrowed<R>() && detail::check_buf_reader<R>()) {
        return operation<read_line_op<std::remove_reference_t<R>>>(std::in_place, from, into, limit);
    } else {
        return detail::broken_future();
    }
}

}  // namespace eddy::io
