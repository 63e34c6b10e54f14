// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <expected>
#include <span>
#include <system_error>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/future/future.hpp>
#include <eddy/result.hpp>
#include <eddy/sink/sink_ops.hpp>

namespace eddy::io {

/// A sink of spans that copies each span into a `bytes`, and sends that to another sink.
///     io::sink_writer writer(io::copy_to_bytes(std::move(sender)));
/// Errors, cancel safety: same as the other sink.
/// Cost: one allocation for each span.
template <class S>
class [[nodiscard]] copy_to_bytes : public sink_ops<copy_to_bytes<S>> {
    static constexpr bool takes_bytes = eddy::sink<S, bytes>;
    static_assert(takes_bytes, "eddy: copy_to_bytes is for a sink of eddy::bytes");

public:
    using error_type = typename S::error_type;
    /// The result of the operations of the sink.
    using outcome = std::expected<void, error_type>;

    /// Takes ownership of the sink.
    explicit copy_to_bytes(S to) : to_(std::move(to)) {}

    poll_result<outcome> poll_ready(context& cx) { return to_.poll_ready(cx); }
    outcome start_send(std::span<const std::byte> from) { return to_.start_send(bytes::copy_of(from)); }
    poll_result<outcome> poll_flush(context& cx) { return to_.poll_flush(cx); }
    poll_result<outcome> poll_close(context& cx) { return to_.poll_close(cx); }

    /// Returns the sink.
    [[nodiscard]] S& inner() noexcept { return to_; }
    /// Moves the sink out.
    [[nodiscard]] S into_inner() && { return std::move(to_); }

private:
    S to_;
};

/// A writer that sends each write as one item to a sink of byte spans. A shutdown closes the sink.
/// Errors: any error of the sink. Its error_type must be std::error_code.
/// Cancel safety: same as the sink's poll_ready(). An item is sent completely or not at all.
template <class S>
class [[nodiscard]] sink_writer {
    static constexpr bool takes_spans = eddy::sink<S, std::span<const std::byte>>;
    static_assert(takes_spans,
                  "eddy: a sink_writer is for a sink of std::span<const std::byte>: for one of eddy::bytes write "
                  "io::sink_writer(io::copy_to_bytes(std::move(sink)))");

    static constexpr bool has_codes = !takes_spans || std::same_as<typename S::error_type, std::error_code>;
    static_assert(has_codes, "eddy: a sink_writer is for a sink whose error_type is std::error_code");

public:
    /// Takes ownership of the sink.
    explicit sink_writer(S to) : to_(std::move(to)) {}

    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        if (from.empty()) return ok(std::size_t{0});
        const auto is_ready = to_.poll_ready(cx);
        if (!is_ready) return not_ready;
        if (!*is_ready) return result<std::size_t>(std::unexpect, is_ready->error());
        const std::size_t size = from.size();
        if (auto sent = to_.start_send(std::move(from)); !sent) return result<std::size_t>(std::unexpect, sent.error());
        return ok(size);
    }
    poll_result<result<void>> poll_flush(context& cx) { return to_.poll_flush(cx); }
    poll_result<result<void>> poll_shutdown(context& cx) { return to_.poll_close(cx); }

    /// Returns the sink.
    [[nodiscard]] S& inner() noexcept { return to_; }
    /// Moves the sink out.
    [[nodiscard]] S into_inner() && { return std::move(to_); }

private:
    S to_;
};

}  // namespace eddy::io
