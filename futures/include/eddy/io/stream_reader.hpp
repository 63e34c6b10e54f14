// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/detail/byte_window.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/detail/read_filled.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/next.hpp>

namespace eddy::detail {

/// Returns whether the items of a stream are bytes, or results of bytes. Otherwise reports that with one static_assert.
template <class S>
constexpr bool check_stream_of_bytes() {
    constexpr bool is_stream = eddy::stream<S>;
    static_assert(is_stream, "eddy: this reads from a stream, which needs item_type and poll_next(context&)");
    if constexpr (is_stream) {
        using item = item_value_t<item_t<S>>;
        constexpr bool fits = (owner_of_bytes<item> || std::derived_from<item, byte_window>) &&
                              std::same_as<item_error_t<item_t<S>>, std::error_code>;
        static_assert(
            fits,
            "eddy: this reads from a stream of eddy::bytes (or strings, or vectors of bytes), or of results of them");
        return fits;
    }
    return false;
}

}  // namespace eddy::detail

namespace eddy::io {

/// Reads the items of a stream as a sequence of bytes, with the current item as the buffer. An item is a `bytes`, a
/// string, a vector of bytes, or a result of one of these.
///     io::stream_reader body(std::move(pieces));
/// Ends with the stream, and does not poll it afterwards.
/// Errors: those in the items.
/// Cancel safety: same as the stream.
/// Cost: no allocation. poll_read() copies the bytes once, poll_fill_buf() does not copy them.
template <class S>
class [[nodiscard]] stream_reader {
    static_assert(detail::check_stream_of_bytes<S>());
    using item = typename S::item_type;
    using chunk = detail::item_value_t<item>;

public:
    /// Takes ownership of the stream.
    explicit stream_reader(S from) : from_(std::move(from)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (into.empty()) return ok(std::size_t{0});
        return detail::poll_read_filled(*this, cx, into);
    }

    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx) {
        while (left().empty() && !has_ended_) {
            detail::budget_guard cost(cx);
            auto next = from_.poll_next(cx);
            if (!next) return not_ready;
            has_ended_ = !next->has_value();
            if (has_ended_) break;
            if (auto error = take(**std::move(next))) return result<std::span<const std::byte>>(std::unexpect, *error);
            if (!cost.is_paid()) return not_ready;  // the bytes are kept in chunk_
        }
        return ok(left());
    }

    /// Removes the first `count` unread bytes.
    /// Errors: throws std::out_of_range if there are fewer.
    void consume(std::size_t count) {
        if (count > left().size()) detail::throw_out_of_window("stream_reader::consume", count, left().size());
        used_ += count;
    }

    /// Returns the stream.
    [[nodiscard]] S& inner() noexcept { return from_; }
    /// Moves the stream out.
    [[nodiscard]] S into_inner() && { return std::move(from_); }

private:
    [[nodiscard]] std::span<const std::byte> left() const noexcept {
        if (!chunk_) return {};
        return std::as_bytes(std::span(std::data(*chunk_), std::size(*chunk_))).subspan(used_);
    }
    std::optional<std::error_code> take(item&& next) {
        used_ = 0;
        if constexpr (detail::is_expected<item>) {
            chunk_.reset();
            if (!next) return next.error();
            chunk_.emplace(*std::move(next));
        } else {
            chunk_.emplace(std::move(next));
        }
        return std::nullopt;
    }

    S from_;
    std::optional<chunk> chunk_;
    std::size_t used_ = 0;  // the consumed bytes of chunk_
    bool has_ended_ = false;
};

}  // namespace eddy::io
