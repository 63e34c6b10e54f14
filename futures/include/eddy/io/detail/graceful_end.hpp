// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <source_location>
#include <system_error>

#include <eddy/error.hpp>
#include <eddy/future/detail/boxed_sleep.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {

/// Reads and discards what a peer still sends, up to the end of its direction.
/// Thread safety: one thread at a time.
class input_discarder {
public:
    /// More bytes are not read. A peer that sends without an end would otherwise cost as much as it can send until the
    /// time limit.
    static constexpr std::size_t most = std::size_t{64} << 20;

    /// Continues. The end of a TLS connection without close_notify is an end, too, because nothing that the peer has
    /// sent is used.
    /// Errors: std::errc::message_size after `most` bytes; the errors of the reader.
    /// Cancel safety: safe.
    template <class R>
    poll_result<result<void>> poll(context& cx, R& reader) {
        for (;;) {
            const auto count = reader.poll_read(cx, buffer_);
            if (!count) return not_ready;
            if (!*count && count->error() == errc::tls_truncated) return ok();
            if (!*count) return result<void>(std::unexpect, count->error());
            if (**count == 0) return ok();
            all_ += **count;
            if (all_ > most) return result<void>(std::unexpect, std::make_error_code(std::errc::message_size));
            if (!cx.consume_budget()) return not_ready;
        }
    }

private:
    std::array<std::byte, 8192> buffer_{};
    std::size_t all_ = 0;
};

/// Ends a connection in order: calls `end(cx)` until the writing direction has ended, and discards what the peer sends.
/// Both happen at the same time: the peer may read only after it has sent everything, and there may be unsent bytes.
/// Errors: errc::timed_out after `limit`; the errors of input_discarder and of `end`. After a reset, the error of the
/// reader is the reason, so it is preferred.
/// Cancel safety: safe.
/// Lifetime: borrows the reader.
template <class R, class End>
task<result<void>> end_gracefully(R& reader, End end, std::chrono::nanoseconds limit) {
    input_discarder discarder;
    std::optional<result<void>> ended;
    std::optional<result<void>> discarded;
    boxed_sleep deadline(limit, std::source_location::current());
    auto both = poll_fn([&](context& cx) -> poll_result<result<void>> {
        if (!ended) {
            if (auto done = end(cx)) ended.emplace(*done);
        }
        if (!discarded) {
            if (auto done = discarder.poll(cx, reader)) discarded.emplace(*done);
        }
        if (ended && discarded) return *discarded ? *ended : *discarded;
        if (deadline.poll(cx)) return result<void>(std::unexpect, make_error_code(errc::timed_out));
        return not_ready;
    });
    co_return co_await both;
}

}  // namespace eddy::detail
