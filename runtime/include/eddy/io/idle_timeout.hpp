// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/io/borrowed.hpp>
#include <eddy/io/detail/forwards_io.hpp>
#include <eddy/io/detail/idle_timer.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/result.hpp>

namespace eddy::io {

/// A reader, a writer or both, with a limit on the time without progress. Returned by idle_timeout().
/// Thread safety: same as the inner object, but only one operation may be polled at a time.
template <class S>
class [[nodiscard]] idle_stream {
    using direction = detail::idle_timer::direction;

public:
    /// The type of the inner object.
    using inner_type = S;

    /// Takes ownership of `inner`.
    idle_stream(S&& inner, std::chrono::nanoseconds limit, std::source_location where)
        : inner_(std::move(inner)), timer_(limit, where) {}

    /// Implements whichever of async_read, async_buf_read and async_write the inner object implements.
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into)
        requires async_read<S>
    {
        auto answer = inner_.poll_read(cx, into);
        limit(cx, direction::read, answer);
        return answer;
    }
    poll_result<result<std::span<const std::byte>>> poll_fill_buf(context& cx)
        requires async_buf_read<S>
    {
        auto answer = inner_.poll_fill_buf(cx);
        limit(cx, direction::read, answer);
        return answer;
    }
    void consume(std::size_t count)
        requires async_buf_read<S>
    {
        inner_.consume(count);
    }
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from)
        requires async_write<S>
    {
        auto answer = inner_.poll_write(cx, from);
        limit(cx, direction::write, answer);
        return answer;
    }
    poll_result<result<std::size_t>> poll_write_vectored(context& cx, std::span<const std::span<const std::byte>> from)
        requires vectored_write<S>
    {
        auto answer = inner_.poll_write_vectored(cx, from);
        limit(cx, direction::write, answer);
        return answer;
    }
    poll_result<result<void>> poll_flush(context& cx)
        requires async_write<S>
    {
        auto answer = inner_.poll_flush(cx);
        limit(cx, direction::write, answer);
        return answer;
    }
    poll_result<result<void>> poll_shutdown(context& cx)
        requires async_write<S>
    {
        auto answer = inner_.poll_shutdown(cx);
        limit(cx, direction::write, answer);
        return answer;
    }

    /// Limits another operation of the inner object that writes: takes the answer of its poll, and returns it, or
    /// errc::timed_out.
    template <class T>
    poll_result<result<T>> limit_write(context& cx, poll_result<result<T>> answer) {
        limit(cx, direction::write, answer);
        return answer;
    }

    /// Returns the inner object.
    [[nodiscard]] S& inner() noexcept { return inner_; }
    /// Moves the inner object out.
    [[nodiscard]] S into_inner() && { return std::move(inner_); }

    static constexpr auto wait_shape(auto way) { return inspect::uses(way, &idle_stream::inner_); }

private:
    /// Records the progress if the operation has ended. Otherwise replaces its answer if the limit has passed. The
    /// answer is changed in place, because a move of it would stall (see detail/by_parts.hpp).
    template <class T>
    void limit(context& cx, direction waits, poll_result<result<T>>& answer) {
        if (answer) {
            timer_.touch(waits);
        } else if (timer_.poll_late(cx, waits)) {
            timer_.stop();
            answer = result<T>(std::unexpect, make_error_code(errc::timed_out));
        }
    }

    S inner_;
    detail::idle_timer timer_;
};

/// Limits the time that reads and writes of a stream wait without progress: if none of them has ended for `limit`, the
/// operation that waits fails with errc::timed_out. Each read and each write that ends begins the time again.
///     auto stream = io::idle_timeout(std::move(client), 30s);
///     const auto n = co_await try_(io::read(stream, buffer));
/// The time begins when an operation waits and no other operation does. It continues if that operation is dropped: a
/// peer that sends nothing gets no more time from a task that repeats its read in a `select`. After errc::timed_out the
/// time begins again.
/// Errors: errc::timed_out; the errors of the stream.
/// Cancel safety: same as the stream. An operation that has timed out has transferred nothing.
/// Lifetime: takes ownership of the stream. Pass std::ref(stream) to borrow it.
/// Cost: one reading of the clock for each operation that waits; one timer for each direction that waits.
template <class S>
[[nodiscard]] auto idle_timeout(S&& stream, std::chrono::nanoseconds limit,
                                std::source_location where = std::source_location::current()) {
    using kept = detail::kept_io_t<S>;
    constexpr bool moves_bytes = async_read<kept> || async_write<kept>;
    static_assert(moves_bytes, "eddy: idle_timeout takes a reader or a writer");
    constexpr bool fits = detail::check_given_io<S>() && moves_bytes;
    return detail::make_if<fits, idle_stream<kept>, detail::broken_io>(std::forward<S>(stream), limit, where);
}

}  // namespace eddy::io
